// What a page does by itself once it is there. Without JavaScript all of it stays readable.
import { showTimes } from "./times.js";

showTimes(document);
