// What a page does by itself once it is there. Without JavaScript all of it stays readable.
import { showTimes } from "./times.js";
import { updateList, updateSteps } from "./news.js";
import { watch } from "./watch.js";

showTimes(document);

const address = document.getElementById("main").dataset.watch;
if (address) {
  watch(address, document.getElementById("steps") ? updateSteps : updateList);
}
