"""What newsletters say, as tables: how they greet, part, label a text and head a section.

A phrase that is missing is a row to add here, with a letter in the tests that shows it.
"""

from __future__ import annotations

import re


def _begins(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


MARKED_TITLE = _begins(
    r"""\[?(?: github | gitlab | repo | pdf | video | sponsor(?:ed)? | ad | paper | code | podcast )
    (?: \] | : )\s*\S | (?-i:[a-z][\w.-]*/[\w.-]*\w)(?: $ | :[ ] | [ ][-–—][ ] )"""
)
"""What begins a title and nothing else: "[GitHub]", "Video:", "owner/name: …"."""
GREETING = _begins(
    r"""(?: hi | hey | hello | dear | howdy | greetings | welcome | happy[ ]\w+day
    | good[ ](?: morning | day | afternoon | evening ) )\b"""
)
SIGN_OFF = _begins(
    r"""until[ ](?:next|then) | see[ ]you | that[’']?s[ ](?:all|it) | take[ ]care | talk[ ]soon
    | thanks?[ ](?:you[ ])?(?:for|to)\b | happy[ ]\w+ing\b | (?:cheers|enjoy|bye|yours)\b
    | best,  | best[ ](?:regards|wishes) | kind[ ]regards | stay[ ]\w+[,.!] | p\.?s\.
    | keep[ ]\w+ing!? $ | have[ ]an?[ ](?:great|good|nice|lovely|\w+[ ](?:week|weekend|day))
    | [-–—][ ]?\w+(?:[ ]\w+)?$"""
)
FOOTER = _begins(
    r"""(?:to[ ])?unsubscribe | you[ ](?:are[ ]|were[ ])?(?:receiv|subscrib|got) | copyright\b | ©
    | \(c\)[ ] | (?:was[ ]this[ ](?:email[ ])?)?forwarded\b | follow[ ]us | our[ ]mailing
    | manage[ ]your | view[ ](?:this|in|it) | update[ ]your[ ]preferences | share[ ]this
    | (?:just[ ])?(?:reply|respond)[ ]to[ ]this | any[ ](?:feedback|questions|comments)
    | if[ ]you[ ](?:enjoyed|liked|have|no[ ]longer)"""
)
READ_MORE = _begins(
    r"""\W*(?: (?:read|learn|see|more|watch|listen|links?|source|via|continue|details|find|full)\b
    [^.!?]{0,40} | (?:code|paper|pdf|demo|data|slides|video|repo|github|project|website|arxiv
    |blog|post|home)(?:[ ]\w+)?\W* )$"""
)
"""What stands before an address that is no title: "Read more:", "Code:"."""
LABEL = _begins(
    r"""(?: what | how | why | who | where | when | behind | yes,[ ]but | we[’']?re | our[ ]take
    | key | read | more | get | takeaway | results? | context | note | authors? | code | paper
    | source | data(?:set)? | links? | tags? | abstract | summary | tl;?dr | bottom[ ]line
    | the[ ]big[ ]picture | location | company | salary | price | license )\b
    [^:.!?]{0,40}:[ ]+\S"""
)
"""A text that says what it is: "Why it matters: …"."""
GOES_ON = _begins(
    r"""(?: this | it | its | they | these | those | we | our | he | she | you | i | here | there
    | in[ ]this | but | and | so | also | however | then )\b"""
)
"""How a text goes on, and how titles with a full stop seldom begin."""
BYLINE = _begins(
    r"""\([^()]{2,120}\) | (?:by|via|source:|authors?:)[ ][^.!?]{2,80} | from[ ]\S+\.[a-z]{2,}
    | //[\w.-]+\b.{0,80} | [-–—][ ]?by[ ].{2,80}
    | [^():.]{4,60}
      \([^()]{0,40}(?:universi|institut|college|school|labs?\b|research)[^()]{0,40}\)"""
)
NAMES = re.compile(
    r"(?:(?:^|, (?:and |& )?| and | & )"
    r"[A-Z][\w.’'-]*(?: (?:[A-Z][\w.’'-]*|de|van|von|der|la)){1,3}){3,}(?:,? et al\.?)?"
)
"""Three or more names of people, as papers name their authors."""
NAME = re.compile(r"[A-Z][\w.’'-]*(?: [A-Z][\w.’'-]*){1,2}(?: (?:and|&) [A-Z]\S*(?: [A-Z]\S*)*)?")
"""What may be the name of a person, or of two."""
TITLE_END = re.compile(
    r"[(\[](?:\d+[ -]?min\w*(?:[ -]read)?|github(?: repo)?|website|tool|video|podcast|pdf|repo"
    r"|sponsor(?:ed)?|paper|twitter thread)[)\]]$",
    re.IGNORECASE,
)
"""What stands behind a title and behind nothing else."""
DATELINE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|^\W*(?:issue|no\.?|vol\.?|edition|#)\s*#?\d",
    re.IGNORECASE,
)
_HEADING_WORDS = frozenset(
    """
    industry industries news headlines headline stories story learning research paper papers
    publications publication code coding library libraries repos repositories dataset datasets data
    tool tools tooling tutorial tutorials guides guide event events job jobs career careers
    community mobile edge mlops ops brief hits video videos podcast podcasts sponsor sponsors
    sponsored partner partners article articles link links release releases project projects opinion
    opinions analysis read reads reading watch watching listen listening deep dive dives feature
    features featured policy misc miscellaneous interviews interview announcements announcement
    business science engineering security design source conferences conference books book
    resources resource startups startup ethics hardware software talks talk webinars webinar
    favorites favourites picks pick culture tips tricks tech technology programming development
    products product launches updates update trends highlights spotlight bookmarks numbers
    visualization visualisation viz techniques education society ai ml nlp vision robotics
    hiring funding applications theory practice infrastructure web cloud databases
    quotes courses course webdev fun media blog blogs posts post roundup editorial
    classifieds meetups academia ads repository packages
    """.split()
)
_SMALL_WORDS = frozenset(
    """
    & + / and or the a an of in for from on to with this that week weeks weekly month today our
    your new latest top best more other other's some what we're we i i'm quick open big hot from
    around must long short upcoming interesting recommended useful notable from elsewhere worth
    noteworthy cool popular ask show one last further also machine general
    """.split()
)


def is_usual_heading(text: str) -> bool:
    """Whether newsletters head a section with these words, and no other word is there."""
    if text.endswith((".", ",", ";")):
        return False
    words = [word.strip("#:*-–—|.,!()[]").replace("’", "'") for word in text.lower().split()]
    words = [part for word in words for part in (word.split("/") if len(word) > 1 else [word])]
    said = [word for word in words if any(sign.isalnum() for sign in word)]
    core = sum(word in _HEADING_WORDS for word in said)
    known = all(word in _HEADING_WORDS or word in _SMALL_WORDS for word in said)
    return core > 0 and known and len(said) <= 7
