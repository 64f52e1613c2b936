"""English words by their role in a request or a conversation, for the rules in this folder."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON = _words("""
    about after and are back because been but can cannot can't could did do does doesn't don't for from get good got
    great had has have hello help her here hey hi his how i i'd i'll i'm i've is isn't it it's its just know like make
    me my need not of ok okay on one order our please she should sorry thank thanks that that's the their them then
    there they this time to today tomorrow want was we what what's when where which why with won't would yes you you're
    your
""")
"""Common words of English conversations. Few of them exist in other languages."""

VERBS = _words("""
    add apply arrange assign attach book bring buy calculate call cancel change charge check choose clean close compare
    complete confirm connect contact convert copy correct count create delete deliver describe disable download draft
    edit email enable exchange explain export extend file fill find fix forward generate give help hold import install
    list look make move open order pay place plan play print process put recommend redeem refund register remind remove
    rename renew repair replace report request reschedule reserve reset resend restart restore return review run save
    schedule search select sell send set ship show shut sign solve sort start stop submit subscribe suggest summarise
    summarize switch take tell track transfer translate troubleshoot turn unlock unsubscribe update upgrade upload use
    validate verify write
""")
"""A sentence that begins with one of these is a request."""

SKIPPED = _words("""
    a an the my our your his her their its this that these those some any me us you it him them please just also again
    really actually maybe kindly all so very up down out off one two three four five six
""")
"""Words that the name of a request leaves out."""

END = _words("""
    and or but because so if when while until unless since as than that which who where whether after before for on in
    at from with without by via into onto about to through during under over near today tomorrow tonight yesterday now
    soon asap instead please is are was were will would can could should has have had
""")
"""Words that end an object."""

CLAUSE_END = _words("because if after before without")
"""Words that end the subject of a question."""

EMPTY = _words("""
    i we he she they one ones thing things something anything everything there here do does did is are was were be been
    have has had can could will would should may might much many long often far get got go going need want know mean say
    what which where when who whose why how not no yes ok okay now then of to in on at by for or and if with from about
    i'm i've i'd it's that's what's there's tell too still even
""")
"""Words that add nothing to the subject of a question."""
