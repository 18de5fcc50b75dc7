"""search_model: what a search must find, by reading every text; written from docs/api.md.

Owns: nothing. Knows nothing of: the index, SQL.
"""

import re
import unicodedata

ANYWHERE = "\u2190-\u2bff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0001faff\U00020000-\U0003ffff"
GAPS = "\x01-/:-`{-\xbf\xd7\xf7\u2000-\u206f\u3000-\u303f\uff00-\uff0f"
MARKS = re.compile("[\xad\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\ufe00-\ufe0f]")
TOKEN = re.compile(f"[{ANYWHERE}]+|[^{ANYWHERE}{GAPS}]+")
EDGE = f"[{ANYWHERE}{GAPS}]"


def fold(text):
    """Without case and accents. Characters are folded one by one: str.lower knows context."""
    plain = MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", "".join(map(str.lower, plain)).replace("ς", "σ"))


def terms_of(query):
    """[(kind, text)] of a query."""
    terms = []
    for phrase, part, word in re.findall(r'"([^"]*)"?|\*([^\s"]*)|([^\s"]+)', query):
        kind = "word" if word else "part" if part else "phrase"
        terms.append((kind, word or part or phrase))
    return [(kind, text) for kind, text in terms if TOKEN.search(fold(text))]


def pattern(kind, text):
    """The regular expression of a term, over a folded text."""
    tokens = TOKEN.findall(fold(text))
    anywhere = [re.match(f"[{ANYWHERE}]", token) is not None for token in tokens]
    out = "" if kind == "part" or anywhere[0] else f"(?:(?<={EDGE})|^)"
    for i, token in enumerate(tokens):
        if i > 0:
            out += f"[{GAPS}]" + ("*" if anywhere[i - 1] or anywhere[i] else "+")
        out += re.escape(token)
    whole = kind == "phrase" or (kind == "word" and len(tokens) == 1 and len(tokens[0]) == 1)
    if whole and not anywhere[-1]:
        out += f"(?={EDGE}|$)"
    return re.compile(out)


def matches(query, text):
    folded = fold(text)
    return all(pattern(*term).search(folded) for term in terms_of(query))


def has_link(text):
    return re.search(r"https?://\S", fold(text)) is not None


def utf16(text, start, length):
    """The part of a text that a highlight names."""
    units = text.encode("utf-16-le")
    return units[2 * start : 2 * (start + length)].decode("utf-16-le")
