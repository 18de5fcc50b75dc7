"""mutant: reads a mutant file and applies it to the sources. README.md describes the format.

Sources are compared token by token. Comments, white space and the boundary between adjacent C
string literals are not tokens, so formatting and edits of comments do not affect a match.

Owns: the format of .mutant files. Knows nothing of: builds, tests.
"""

import bisect
import collections
import os
import re

# The directories that are searched for a file given by its basename.
SOURCE_DIRS = ("common", "ctl", "daemon", "migrations", "mock")
HEADER = ("area", "mechanism", "promise", "test")

LEXEMES = {
    ".c": re.compile(
        r"""(?P<comment>//[^\n]*|/\*.*?\*/)
          | (?P<literal>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')
          | (?P<splice>\\\n)
          | (?P<code>\w+|\S)""",
        re.DOTALL | re.VERBOSE,
    ),
    ".sql": re.compile(
        r"""(?P<comment>--[^\n]*|/\*.*?\*/)
          | (?P<literal>'(?:[^']|'')*')
          | (?P<code>\w+|\S)""",
        re.DOTALL | re.VERBOSE,
    ),
}
PIECE = re.compile(r"\\.|\w+|\S", re.DOTALL)

Mutant = collections.namedtuple("Mutant", "name area mechanism promise test edits")
# One replacement. before and after are texts; function is None for the whole file.
Edit = collections.namedtuple("Edit", "file function before after")
Token = collections.namedtuple("Token", "text start end literal")


class MutantError(Exception):
    """The mutant file is malformed or does not apply; the text says why."""


# --- the file ---


def read_mutant(path):
    """Parses a .mutant file. Raises MutantError."""
    head, edits = {}, []
    file = function = None
    before, after = [], []

    def end_edit():
        if before == after:
            if before:
                raise MutantError(f"replaces nothing: {before[0]}")
            return
        if file is None:
            raise MutantError("code precedes the first file: line")
        edits.append(Edit(file, function, "\n".join(before), "\n".join(after)))
        before.clear()
        after.clear()

    with open(path, encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            field, _, value = line.partition(": ")
            if not line.strip():
                end_edit()
            elif line[0] in "-+ " and line[1:2] in ("", " ", "\t"):
                if line[0] != "+":
                    before.append(line[2:])
                if line[0] != "-":
                    after.append(line[2:])
            elif field == "file":
                end_edit()
                file, function = value, None
            elif field == "function":
                end_edit()
                function = value
            elif field in HEADER and field not in head and file is None:
                head[field] = value
            else:
                raise MutantError(f"malformed line: {line}")
    end_edit()
    missing = [field for field in HEADER if not head.get(field)]
    if missing:
        raise MutantError(f"lacks {', '.join(missing)}")
    if not edits:
        raise MutantError("replaces nothing")
    name = os.path.basename(path)[: -len(".mutant")]
    return Mutant(name, **head, edits=edits)


# --- tokens ---


def tokenize(text, suffix):
    """Returns the tokens of C or SQL text and whether it has a comment.

    A literal becomes one token per word, so that a fragment of a literal can be matched.
    """
    tokens = []
    has_comment = False
    for match in LEXEMES[".sql" if suffix == ".sql" else ".c"].finditer(text):
        start, end = match.span()
        if match.lastgroup == "comment":
            has_comment = True
        elif match.lastgroup == "code":
            tokens.append(Token(match.group(), start, end, False))
        elif match.lastgroup == "literal":
            quote = text[start]
            joined = quote == '"' and tokens and tokens[-1].literal and tokens[-1].text == quote
            if joined:
                tokens.pop()
            else:
                tokens.append(Token(quote, start, start + 1, True))
            for piece in PIECE.finditer(text, start + 1, end - 1):
                tokens.append(Token(piece.group(), *piece.span(), True))
            tokens.append(Token(quote, end - 1, end, True))
    return tokens, has_comment


class Source:
    """A source file and its tokens."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.suffix = os.path.splitext(path)[1]
        self.tokens, _ = tokenize(self.text, self.suffix)
        self.words = [token.text for token in self.tokens]
        self.places = collections.defaultdict(list)
        for at, word in enumerate(self.words):
            self.places[word].append(at)

    def functions(self, name):
        """Returns the token ranges of the definitions of a function."""
        find = self._sql_body if self.suffix == ".sql" else self._c_body
        ranges = []
        for at in self.places.get(name, ()):
            end = find(at)
            if end is not None:
                ranges.append((at, end))
        return ranges

    def _c_body(self, at):
        """Returns the end of the function whose name is at this token, or None."""
        end = self._closing(at + 1, "(", ")")
        return self._closing(end, "{", "}") if end is not None else None

    def _closing(self, at, opening, closing):
        if at >= len(self.words) or self.words[at] != opening:
            return None
        depth = 0
        for i in range(at, len(self.words)):
            if self.tokens[i].literal:
                continue
            depth += (self.words[i] == opening) - (self.words[i] == closing)
            if depth == 0:
                return i + 1
        return None

    def _sql_body(self, at):
        if self.words[at - 1] != "function" or self.words[at + 1 : at + 2] != ["("]:
            return None
        quotes = self.places["$"]
        after = bisect.bisect(quotes, at)
        pairs = [i for i in range(after, len(quotes) - 1) if quotes[i + 1] == quotes[i] + 1]
        return quotes[pairs[1]] + 2 if len(pairs) > 1 else None

    def find(self, edit):
        """Returns the token range that an edit replaces. Raises MutantError."""
        pattern, has_comment = tokenize(edit.before, self.suffix)
        pattern = [token.text for token in pattern]
        where = edit.file
        first, end = 0, len(self.words)
        if has_comment or tokenize(edit.after, self.suffix)[1]:
            raise MutantError(f"{where}: a comment in the code: {edit.before.strip()}")
        if not pattern:
            raise MutantError(f"{where}: no code to match")
        if edit.function:
            ranges = self.functions(edit.function)
            if len(ranges) != 1:
                raise MutantError(f"{where}: {len(ranges)} functions named {edit.function}")
            first, end = ranges[0]
            where += f": {edit.function}"
        starts = self.places.get(pattern[0], [])
        starts = starts[bisect.bisect_left(starts, first) : bisect.bisect_left(starts, end)]
        n = len(pattern)
        starts = [at for at in starts if at + n <= end and self.words[at : at + n] == pattern]
        if len(starts) != 1:
            raise MutantError(f"{where}: {len(starts)} matches for: {edit.before.strip()}")
        return starts[0], starts[0] + n

    def replace(self, edits):
        """Returns the text with all edits made. Raises MutantError."""
        changes = []
        taken = 0
        found = [(*self.find(edit), edit) for edit in edits]
        for first, end, edit in sorted(found, key=lambda item: item[0]):
            if first < taken:
                raise MutantError(f"{edit.file}: replacements overlap at: {edit.before.strip()}")
            taken = end
            changes.append(self._change(first, end, edit.after))
        text = self.text
        for start, end, new in reversed(changes):
            text = text[:start] + new + text[end:]
        return text

    def _change(self, first, end, after):
        """Returns (start, end, text): what the tokens that both have in common leave."""
        new, _ = tokenize(after, self.suffix)
        words = [token.text for token in new]
        head = 0
        while head < min(end - first, len(words)) and words[head] == self.words[first + head]:
            head += 1
        tail = 0
        while (
            tail < min(end - first, len(words)) - head
            and words[-1 - tail] == self.words[end - 1 - tail]
        ):
            tail += 1
        first, end, new = first + head, end - tail, new[head : len(new) - tail]
        text = after[new[0].start : new[-1].end] if new else ""
        if first < end:
            return self.tokens[first].start, self.tokens[end - 1].end, text
        # An insertion, behind the last common token or before the next.
        at = self.tokens[first - 1].end if head else self.tokens[first].start
        return at, at, f" {text} "


# --- the tree ---


class Tree:
    """The source tree. Files are read and tokenized once."""

    def __init__(self, top):
        self.top = top
        self.sources = {}
        self.by_name = collections.defaultdict(list)
        for folder in SOURCE_DIRS:
            for path, _, names in os.walk(os.path.join(top, folder)):
                for name in names:
                    self.by_name[name].append(os.path.join(path, name))

    def source(self, file):
        """Returns the Source of a file, given by basename or path. Raises MutantError."""
        paths = self.by_name.get(file, []) if "/" not in file else [os.path.join(self.top, file)]
        paths = [path for path in paths if os.path.isfile(path)]
        if len(paths) != 1:
            raise MutantError(f"{len(paths)} files named {file}")
        if paths[0] not in self.sources:
            self.sources[paths[0]] = Source(paths[0])
        return self.sources[paths[0]]

    def mutate(self, mutant):
        """Returns {path: text} of the files that a mutant changes. Raises MutantError."""
        edits = collections.defaultdict(list)
        for edit in mutant.edits:
            edits[self.source(edit.file)].append(edit)
        return {source.path: source.replace(those) for source, those in edits.items()}
