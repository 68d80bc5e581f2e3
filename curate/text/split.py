"""The pass over the text: bytes -> characters -> lines -> words, for a whole batch in one kernel.

A **line** is what `str.splitlines` gives; empty lines are only counted, and part two **paragraphs**. A **word** is,
nearly, a token of spaCy's English tokenizer, because that is what FineWeb's thresholds were set with (datatrove splits
with it). From a run of characters without white space

1. punctuation, quotes, brackets, currency and icons come off both ends, each a word of its own, a run of dots as one;
   a final dot stays on an abbreviation (`A.`, `U.S.`, `e.g.`), and currency on all but figures;
2. `'s 'm 'd 'll 're 've` and `n't` come off the end;
3. the rest is cut at a hyphen, comma or `:<>=/` between letters, at `+-*^` between digits, at a dot between a small and
   a capital letter, and at ellipses and icons; links and addresses (`://`, `www.`, `@`) are left whole.

    It's a well-known fact (e.g. in the U.S.)...  ->  It 's a well - known fact ( e.g. in the U.S. ) ...

Not taken over: spaCy's lists of abbreviations and emoticons, its units after digits, and its check of host names.
A **sentence** ends at a word that is one terminal mark, once a word follows that is not punctuation (its sentencizer).

The same rules in slow, plain Python are in tests/text/reference.py; the two are held equal on arbitrary Unicode.
Bytes that are not UTF-8, which Arrow does not look for when it reads a file, are counted and read as U+FFFD.
"""

import numpy as np

from curate.text import characters
from curate.text.kernel import inner, kernel

SPACE, BREAK, ALPHA, ALNUM = characters.SPACE, characters.BREAK, characters.ALPHA, characters.ALNUM
UPPER, LOWER, PUNCT, SYMBOL = characters.UPPER, characters.LOWER, characters.PUNCT, characters.SYMBOL
AFFIX, TERMINAL, CURRENCY = characters.AFFIX, characters.TERMINAL, characters.CURRENCY

# Bits of a word.
HAS_ALPHA = 1  # at least one letter
ALL_SYMBOL = 2  # nothing but punctuation, ASCII symbols, control characters
ALL_PUNCT = 4  # nothing but Unicode punctuation
ENDS_SENTENCE = 8  # one terminal mark and nothing else

# Bits of a line.
BULLET = 1  # begins with • or - after white space
ELLIPSIS = 2  # ends with ... or … before white space
ENDS_WELL = 4  # its very last character is a terminal mark
STARTS_PARAGRAPH = 8  # the first of its document, or after an empty line
BLANK = 16  # nothing but white space

# The counts of a document, in this order. Lines here are all lines, empty ones too, without their breaks; `invalid` are
# bytes that are not UTF-8.
COUNTS = (
    "chars",
    "newlines",
    "hashes",
    "ellipses",
    "alphas",
    "alnums",
    "lines",
    "line_chars",
    "longest_line",
    "invalid",
)
CHARS, NEWLINES, HASHES, ELLIPSES, ALPHAS, ALNUMS, LINES, LINE_CHARS, LONGEST_LINE, INVALID = range(10)

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # the finaliser of MurmurHash3
MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)

Words = tuple[np.ndarray, np.ndarray, np.ndarray]  # hash, chars, bits
Lines = tuple[np.ndarray, ...]  # hash, chars, bits, sentences, chunks, longest chunk, first byte, last byte + 1

HASH_MARK, HYPHEN, DOT, COMMA, AT, ELLIPSIS_MARK, NEWLINE, RETURN = 0x23, 0x2D, 0x2E, 0x2C, 0x40, 0x2026, 0x0A, 0x0D
APOSTROPHE, CURLY_APOSTROPHE, BULLET_MARK, REPLACEMENT, SLASH, COLON = 0x27, 0x2019, 0x2022, 0xFFFD, 0x2F, 0x3A


@inner
def mix(value: np.uint64) -> np.uint64:
    """Spread what a hash knows over all of its bits."""
    value = (value ^ (value >> SHIFT)) * MIX_1
    value = (value ^ (value >> SHIFT)) * MIX_2
    return value ^ (value >> SHIFT)


@kernel
def hash_points(points: np.ndarray, start: int, stop: int) -> np.uint64:
    """FNV-1a over code points, mixed: the hash of a word."""
    value = FNV_OFFSET
    for i in range(start, stop):
        value = (value ^ np.uint64(points[i])) * FNV_PRIME
    return mix(value)


@inner
def decode(data: np.ndarray, i: int, stop: int) -> tuple[np.uint32, int]:
    """Return the code point that begins at byte i, and its bytes; a byte that begins none is U+FFFD."""
    lead = data[i]
    if lead < 0x80:
        return np.uint32(lead), 1
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    if lead < 0xC2 or lead > 0xF4 or i + size > stop:
        return np.uint32(REPLACEMENT), 1
    point = np.uint32(lead & (0xFF >> (size + 1)))
    for j in range(1, size):
        if data[i + j] & 0xC0 != 0x80:
            return np.uint32(REPLACEMENT), 1
        point = np.uint32((point << 6) | (data[i + j] & 0x3F))
    least = 0x80 if size == 2 else 0x800 if size == 3 else 0x10000
    if point < least or point > 0x10FFFF or 0xD800 <= point < 0xE000:  # too long, too large, half of a surrogate pair
        return np.uint32(REPLACEMENT), 1
    return point, size


@inner
def decode_chunk(
    data: np.ndarray,
    i: int,
    stop: int,
    table: np.ndarray,
    points: np.ndarray,
    kinds: np.ndarray,
    counts: np.ndarray,
) -> tuple[int, int]:
    """Write the code points, and what they are, from byte i to white space; return how many, and where that is."""
    n = 0
    while i < stop:
        point, size = decode(data, i, stop)
        if table[point] & SPACE:
            break
        counts[INVALID] += size == 1 and point == REPLACEMENT
        points[n], kinds[n] = point, table[point]
        n += 1
        i += size
    return n, i


@inner
def is_dots(points: np.ndarray, i: int, stop: int) -> int:
    """Return the length of the run of two or more dots, or of the ellipsis character, at i; else 0."""
    if points[i] == ELLIPSIS_MARK:
        return 1
    j = i
    while j < stop and points[j] == DOT:
        j += 1
    return j - i if j - i >= 2 else 0


@inner
def front(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int) -> int:
    """Return how many characters come off the front as one word."""
    dots = is_dots(points, lo, hi)
    if dots:
        return dots
    return 1 if kinds[lo] & AFFIX and points[lo] != DOT else 0


@inner
def back(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int) -> int:
    """Return how many characters come off the back as one word."""
    last = points[hi - 1]
    if last == ELLIPSIS_MARK:
        return 1
    if kinds[hi - 1] & CURRENCY:  # 5$ but not x$
        return 1 if hi - lo > 1 and kinds[hi - 2] & ALNUM and not kinds[hi - 2] & ALPHA else 0
    if last != DOT:
        return 1 if kinds[hi - 1] & AFFIX else 0
    if hi - lo == 1:
        return 0
    if points[hi - 2] == DOT:
        i = hi - 2
        while i > lo and points[i - 1] == DOT:
            i -= 1
        return hi - i
    before = kinds[hi - 2]
    if not before & (ALNUM | AFFIX):
        return 0
    if before & ALPHA and (hi - lo == 2 or points[hi - 3] == DOT):  # A.  U.S.  e.g.
        return 0
    if before & UPPER:  # of capitals only a whole acronym lets go of its dot
        return 1 if hi - lo > 2 and kinds[hi - 3] & UPPER else 0
    return 1


@inner
def contraction(points: np.ndarray, lo: int, hi: int) -> int:
    """Return how many characters at the end of a word are a contraction: 's 'm 'd 'll 're 've n't."""
    for size in (2, 3):
        mark = hi - size
        if mark <= lo or (points[mark] != APOSTROPHE and points[mark] != CURLY_APOSTROPHE):
            continue
        a, b = points[mark + 1], points[hi - 1]
        if size == 3:
            return 3 if (a == 0x6C and b == 0x6C) or (b == 0x65 and (a == 0x72 or a == 0x76)) else 0  # ll re ve
        if a == 0x73 or a == 0x53 or a == 0x6D or a == 0x64:  # s S m d
            return 2
        if a == 0x74 and mark - 1 > lo and points[mark - 1] == 0x6E:  # n't
            return 3
    return 0


@inner
def is_link(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int) -> bool:
    """Whether the word is a web or mail address: www. or a scheme at its beginning, or an @ inside."""
    if hi - lo > 4 and points[lo + 3] == DOT and points[lo] == points[lo + 1] == points[lo + 2] == 0x77:
        return True
    i = lo
    while i < hi and kinds[i] & ALNUM:
        i += 1
    if lo < i and i + 2 < hi and points[i] == COLON and points[i + 1] == SLASH and points[i + 2] == SLASH:
        return True
    for i in range(lo + 1, hi - 1):  # noqa: SIM110, a kernel has no any()
        if points[i] == AT:
            return True
    return False


@inner
def inside(points: np.ndarray, kinds: np.ndarray, i: int, hi: int) -> int:
    """Return how many characters at i, inside a word, are a word of their own: the cuts of rule 3."""
    dots = is_dots(points, i, hi)
    if dots:
        return dots
    point, before = points[i], kinds[i - 1]
    after = kinds[i + 1] if i + 1 < hi else np.uint16(0)
    if point >= 0x80:
        if kinds[i] & AFFIX and not kinds[i] & PUNCT:
            return 0 if point < 0x2190 else 1  # icons: arrows, shapes, emoji; not currency
        return 1 if (point == 0x2013 or point == 0x2014) and before & ALNUM and after & ALPHA else 0
    if (point == HYPHEN or point == 0x7E) and before & ALNUM:  # - ~
        j = i
        while j < hi and points[j] == HYPHEN:
            j += 1
        j = max(j, i + 1)
        if j < hi and kinds[j] & ALPHA:
            return j - i
    if point == 0x2B or point == HYPHEN or point == 0x2A or point == 0x5E:  # + - * ^
        return 1 if before & ALNUM and not before & ALPHA and after & ALNUM and not after & ALPHA else 0
    if point == COMMA:
        return 1 if before & ALPHA and after & ALPHA else 0
    if point in (COLON, SLASH) or 0x3C <= point <= 0x3E:  # : / < = >
        return 1 if before & ALNUM and after & ALPHA else 0
    if point == DOT:
        return 1 if before & LOWER and after & UPPER else 0
    return 0


@inner
def cut_core(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int, cuts: np.ndarray, n: int) -> int:
    """Cut what has nothing left to come off its ends: rules 2 and 3."""
    if not is_link(points, kinds, lo, hi):
        tail = hi - contraction(points, lo, hi)
        start, i = lo, lo + 1
        while i < tail:
            size = 0 if kinds[i] & ALNUM else inside(points, kinds, i, tail)
            if size == 0:
                i += 1
                continue
            if start < i:
                cuts[n] = i
                n += 1
            i += size
            cuts[n] = i
            n += 1
            start = i
        if start < tail < hi:
            cuts[n] = tail
            n += 1
        if start == hi:  # the last cut is the end
            return n
    cuts[n] = hi
    return n + 1


@inner
def cut_chunk(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int, cuts: np.ndarray) -> int:
    """Write where each word of points[lo:hi], which holds no white space, stops; return how many words there are."""
    n = 0
    while lo < hi and not kinds[lo] & ALNUM:
        size = front(points, kinds, lo, hi)
        if size == 0:
            break
        lo += size
        cuts[n] = lo
        n += 1
    end = hi
    while lo < end and not kinds[end - 1] & ALNUM:
        size = back(points, kinds, lo, end)
        if size == 0:
            break
        end -= size
    if lo < end:
        n = cut_core(points, kinds, lo, end, cuts, n)
    while end < hi:  # what came off the back, now in reading order
        end += max(is_dots(points, end, hi), 1)
        cuts[n] = end
        n += 1
    return n


@inner
def closing(kinds: np.ndarray, data: np.ndarray, lo: int, hi: int) -> bool:
    """Whether the mark data[hi] comes off the back of data[lo:hi], ASCII letters and digits: `back`, for most words."""
    mark = data[hi]
    if mark != DOT:
        return bool(kinds[mark] & (AFFIX | CURRENCY) == AFFIX and mark != HASH_MARK)
    last = kinds[data[hi - 1]]
    if last & UPPER:
        return bool(hi - lo > 1 and kinds[data[hi - 2]] & UPPER != 0)
    return bool(hi - lo > 1 or last & ALPHA == 0)


@inner
def word_bits(some: int, every: int, size: int) -> int:
    """Return the bits of a word from the bits that some and that all of its characters have."""
    bits = HAS_ALPHA if some & ALPHA else 0
    if every & SYMBOL:
        bits |= ALL_SYMBOL
    if every & PUNCT:
        bits |= ALL_PUNCT
    if size == 1 and every & TERMINAL:
        bits |= ENDS_SENTENCE
    return bits


@inner
def count_sentences(flags: np.ndarray, first: int, stop: int) -> int:
    """Sentences among the words of one line: one more than the terminal marks that another word follows."""
    sentences = 1 if stop > first else 0
    ended = False
    for i in range(first, stop):
        if flags[i] & ENDS_SENTENCE:
            ended = True
        elif ended and not flags[i] & ALL_PUNCT:
            sentences += 1
            ended = False
    return sentences


@inner
def edge_bits(points: np.ndarray, kinds: np.ndarray, n: int) -> tuple[int, int]:
    """Return the bits that points[:n] gives its line if it is the first, and if it is the last without white space."""
    first = BULLET if points[0] == BULLET_MARK or points[0] == HYPHEN else 0
    last = ENDS_WELL if kinds[n - 1] & TERMINAL else 0
    if points[n - 1] == ELLIPSIS_MARK:
        last |= ELLIPSIS
    if n >= 3 and points[n - 1] == DOT and points[n - 2] == DOT and points[n - 3] == DOT:
        last |= ELLIPSIS
    return first, last


@inner
def count_chunk(points: np.ndarray, kinds: np.ndarray, n: int, counts: np.ndarray) -> None:
    """Add to the counts of a document those of points[:n], which hold no white space."""
    alphas, alnums, dots = 0, 0, 0
    for i in range(n):
        bits = kinds[i]
        alphas += (bits & ALPHA) != 0
        alnums += (bits & ALNUM) != 0
        if bits & ALNUM:
            dots = 0
            continue
        point = points[i]
        counts[HASHES] += point == HASH_MARK
        dots = dots + 1 if point == DOT else 0
        if dots == 3:  # as str.count counts: "......" is two
            counts[ELLIPSES] += 1
            dots = 0
        counts[ELLIPSES] += point == ELLIPSIS_MARK
    counts[ALPHAS] += alphas
    counts[ALNUMS] += alnums


@inner
def write_words(
    points: np.ndarray, kinds: np.ndarray, cuts: np.ndarray, num: int, words: Words, word: int, line_hash: np.uint64
) -> np.uint64:
    """Write the `num` words that end at `cuts`; return the hash of the line, which they continue."""
    hashes, chars, bits = words
    start = 0
    for k in range(num):
        some, every, value = 0, 0xFFFF, FNV_OFFSET
        for i in range(start, cuts[k]):
            some |= kinds[i]
            every &= kinds[i]
            value = (value ^ np.uint64(points[i])) * FNV_PRIME
        hashes[word + k] = mix(value)
        chars[word + k] = cuts[k] - start
        bits[word + k] = word_bits(some, every, cuts[k] - start)
        line_hash = (line_hash ^ hashes[word + k]) * FNV_PRIME
        start = cuts[k]
    return line_hash


@inner
def split_document(
    data: np.ndarray,
    start: int,
    stop: int,
    table: np.ndarray,
    ascii_: np.ndarray,
    points: np.ndarray,
    kinds: np.ndarray,
    cuts: np.ndarray,
    words: Words,
    word: int,
    lines: Lines,
    line: int,
    counts: np.ndarray,
) -> tuple[int, int]:
    """Write the words and lines of data[start:stop] from places `word` and `line` on; return the next places."""
    hashes, chars, bits, sentences, chunks, longest_chunk, line_starts, line_stops = lines
    word_hashes, word_chars, flags = words
    i, fresh, more = start, True, 0  # `more`: bytes of characters after their first
    while i < stop:
        lo, first_word, more_before, line_break = i, word, more, 0
        value = FNV_OFFSET  # the line's hash: of its words and of the white space between them
        num_chunks, longest_here, begins, ends, last = 0, 0, 0, 0, i
        while i < stop:
            kind, begin = ascii_[data[i]], i
            if kind & BREAK:
                line_break = 2 if data[i] == RETURN and i + 1 < stop and data[i + 1] == NEWLINE else 1
                break
            if kind & SPACE:
                value = (value ^ np.uint64(data[i])) * FNV_PRIME
                i += 1
                continue
            every, word_value = ALPHA, FNV_OFFSET
            while kind & ALNUM:
                every &= kind
                word_value = (word_value ^ np.uint64(data[i])) * FNV_PRIME
                i += 1
                kind = ascii_[data[i]] if i < stop else np.uint16(SPACE)
            size = i - begin
            closed = size > 0 and kind & SPACE == 0 and (i + 1 == stop or ascii_[data[i + 1]] & SPACE != 0)
            closed = closed and closing(ascii_, data, begin, i)
            if size > 0 and (kind & SPACE or closed):  # most words: ASCII letters and digits, and perhaps a mark
                alphas = size
                if not every:
                    alphas = 0
                    for j in range(begin, i):
                        alphas += (ascii_[data[j]] & ALPHA) != 0
                counts[ALPHAS] += alphas
                counts[ALNUMS] += size
                word_hashes[word], word_chars[word] = mix(word_value), size
                flags[word] = HAS_ALPHA if alphas else 0
                value = (value ^ word_hashes[word]) * FNV_PRIME
                word += 1
                ends = 0
                if closed:
                    word_hashes[word], word_chars[word] = mix((FNV_OFFSET ^ np.uint64(data[i])) * FNV_PRIME), 1
                    flags[word] = word_bits(kind, kind, 1)
                    value = (value ^ word_hashes[word]) * FNV_PRIME
                    word += 1
                    ends = ENDS_WELL if kind & TERMINAL else 0
                    i += 1
                longest_here = max(longest_here, i - begin)
            else:
                n, i = decode_chunk(data, begin, stop, table, points, kinds, counts)
                if n == 0:  # white space beyond ASCII
                    point, size = decode(data, i, stop)
                    if table[point] & BREAK:
                        line_break = size
                        break
                    value = (value ^ np.uint64(point)) * FNV_PRIME
                    i += size
                    more += size - 1
                    continue
                more += i - begin - n
                count_chunk(points, kinds, n, counts)
                num_words = cut_chunk(points, kinds, 0, n, cuts)
                value = write_words(points, kinds, cuts, num_words, words, word, value)
                word += num_words
                first, ends = edge_bits(points, kinds, n)
                if num_chunks == 0:
                    begins = first
                longest_here = max(longest_here, n)
            num_chunks += 1
            last = i
        length = i - lo - (more - more_before)
        if lo < i:
            if last < i:
                ends &= ~ENDS_WELL
            hashes[line], chars[line] = mix(value), length
            bits[line] = begins | ends if num_chunks else BLANK
            if fresh:
                bits[line] |= STARTS_PARAGRAPH
            sentences[line] = count_sentences(flags, first_word, word)
            chunks[line], longest_chunk[line] = num_chunks, longest_here
            line_starts[line], line_stops[line] = lo, i
            line += 1
        fresh = lo == i
        counts[LINES] += 1
        counts[LINE_CHARS] += length
        counts[LONGEST_LINE] = max(counts[LONGEST_LINE], length)
        if line_break:
            ascii_break = data[i] < 0x80
            counts[NEWLINES] += ascii_break and data[i + line_break - 1] == NEWLINE
            more += 0 if ascii_break else line_break - 1
            i += line_break
    counts[CHARS] = stop - start - more
    return word, line


@kernel
def split(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    table: np.ndarray,
    words: Words,
    word_bounds: np.ndarray,
    lines: Lines,
    line_bounds: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fill `words`, `lines` and `counts` for all rows; the bounds say which words and lines are whose."""
    longest = 0
    for row in range(len(valid)):
        longest = max(longest, starts[row + 1] - starts[row])
    points, kinds = np.empty(longest, np.uint32), np.empty(longest, np.uint16)
    cuts = np.empty(longest, np.int64)
    ascii_ = np.zeros(256, np.uint16)  # a byte beyond ASCII is nothing yet
    ascii_[:128] = table[:128]
    word, line = word_bounds[0], line_bounds[0]  # 0; as a literal it would have the loop compiled twice
    for row in range(len(valid)):
        if valid[row]:
            start, stop = starts[row], starts[row + 1]
            word, line = split_document(
                data, start, stop, table, ascii_, points, kinds, cuts, words, word, lines, line, counts[row]
            )
        word_bounds[row + 1] = word
        line_bounds[row + 1] = line
