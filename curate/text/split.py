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
Invalid UTF-8, which no Arrow reader should hand out, reads as U+FFFD.
"""

import numpy as np

from curate.text import characters
from curate.text.kernel import kernel

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

# The counts of a document, in this order. Lines here are all lines, empty ones too, without their breaks.
COUNTS = ("chars", "newlines", "hashes", "ellipses", "alphas", "alnums", "lines", "line_chars", "longest_line")
CHARS, NEWLINES, HASHES, ELLIPSES, ALPHAS, ALNUMS, LINES, LINE_CHARS, LONGEST_LINE = range(9)

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
MIX_1 = np.uint64(0xFF51AFD7ED558CCD)  # the finaliser of MurmurHash3
MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
SHIFT = np.uint64(33)

Words = tuple[np.ndarray, np.ndarray, np.ndarray]  # hash, chars, bits
Lines = tuple[np.ndarray, ...]  # hash, chars, bits, sentences, chunks, longest chunk, first byte, last byte + 1

HASH_MARK, HYPHEN, DOT, COMMA, AT, ELLIPSIS_MARK, NEWLINE, RETURN = 0x23, 0x2D, 0x2E, 0x2C, 0x40, 0x2026, 0x0A, 0x0D
APOSTROPHE, CURLY_APOSTROPHE, BULLET_MARK, REPLACEMENT, SLASH, COLON = 0x27, 0x2019, 0x2022, 0xFFFD, 0x2F, 0x3A


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Spread what a hash knows over all of its bits."""
    value = (value ^ (value >> SHIFT)) * MIX_1
    value = (value ^ (value >> SHIFT)) * MIX_2
    return value ^ (value >> SHIFT)


@kernel
def hash_points(points: np.ndarray, start: int, stop: int) -> np.uint64:
    """FNV-1a over code points, mixed."""
    value = FNV_OFFSET
    for i in range(start, stop):
        value = (value ^ np.uint64(points[i])) * FNV_PRIME
    return mix(value)


@kernel
def decode(data: np.ndarray, start: int, stop: int, points: np.ndarray, places: np.ndarray) -> int:
    """Write the code points of data[start:stop] and the byte each begins at; return how many there are."""
    n = 0
    i = start
    while i < stop:
        lead = data[i]
        size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        point = np.uint32(lead)
        if lead >= 0x80:
            if lead < 0xC2 or lead > 0xF4 or i + size > stop:
                size, point = 1, np.uint32(REPLACEMENT)
            else:
                point = np.uint32(lead & (0xFF >> (size + 1)))
                for j in range(1, size):
                    point = np.uint32((point << 6) | (data[i + j] & 0x3F))
                if point > 0x10FFFF:
                    point = np.uint32(REPLACEMENT)
        points[n] = point
        places[n] = i
        n += 1
        i += size
    places[n] = stop
    return n


@kernel
def is_dots(points: np.ndarray, i: int, stop: int) -> int:
    """Return the length of the run of two or more dots, or of the ellipsis character, at i; else 0."""
    if points[i] == ELLIPSIS_MARK:
        return 1
    j = i
    while j < stop and points[j] == DOT:
        j += 1
    return j - i if j - i >= 2 else 0


@kernel
def front(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int) -> int:
    """Return how many characters come off the front as one word."""
    dots = is_dots(points, lo, hi)
    if dots:
        return dots
    return 1 if kinds[lo] & AFFIX and points[lo] != DOT else 0


@kernel
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


@kernel
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


@kernel
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


@kernel
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
    if point == HYPHEN or point == 0x7E:  # - ~
        j = i
        while j < hi and points[j] == HYPHEN:
            j += 1
        j = max(j, i + 1)
        if j < hi and before & ALNUM and kinds[j] & ALPHA:
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


@kernel
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


@kernel
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


@kernel
def is_plain(kinds: np.ndarray, lo: int, hi: int) -> bool:
    """Whether there are only letters and digits: most words."""
    for i in range(lo, hi):  # noqa: SIM110, a kernel has no all()
        if not kinds[i] & ALNUM:
            return False
    return True


@kernel
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


@kernel
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


@kernel
def line_bits(points: np.ndarray, kinds: np.ndarray, lo: int, hi: int) -> int:
    """Return the bits of the line points[lo:hi], which is not blank."""
    bits = ENDS_WELL if kinds[hi - 1] & TERMINAL else 0
    while kinds[lo] & SPACE:
        lo += 1
    while kinds[hi - 1] & SPACE:
        hi -= 1
    if points[lo] == BULLET_MARK or points[lo] == HYPHEN:
        bits |= BULLET
    if points[hi - 1] == ELLIPSIS_MARK:
        bits |= ELLIPSIS
    if hi - lo >= 3 and points[hi - 1] == DOT and points[hi - 2] == DOT and points[hi - 3] == DOT:
        bits |= ELLIPSIS
    return bits


@kernel
def count_characters(points: np.ndarray, kinds: np.ndarray, n: int, counts: np.ndarray) -> None:
    """Fill the counts of a document that need nothing but its characters."""
    newlines, hashes, ellipses, alphas, alnums, dots = 0, 0, 0, 0, 0, 0
    for i in range(n):
        point, bits = points[i], kinds[i]
        alphas += (bits & ALPHA) != 0
        alnums += (bits & ALNUM) != 0
        if bits & ALNUM:
            dots = 0
            continue
        newlines += point == NEWLINE
        hashes += point == HASH_MARK
        dots = dots + 1 if point == DOT else 0
        if dots == 3:  # as str.count counts: "......" is two
            ellipses += 1
            dots = 0
        ellipses += point == ELLIPSIS_MARK
    counts[CHARS], counts[NEWLINES], counts[HASHES] = n, newlines, hashes
    counts[ELLIPSES], counts[ALPHAS], counts[ALNUMS] = ellipses, alphas, alnums


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
    points = np.empty(longest + 1, np.uint32)
    places = np.empty(longest + 1, np.int64)
    kinds = np.empty(longest + 1, np.uint16)
    cuts = np.empty(longest + 1, np.int64)
    hashes, chars, bits, sentences, chunks, longest_chunk, line_starts, line_stops = lines
    word_hashes, word_chars, flags = words
    word, line = 0, 0
    for row in range(len(valid)):
        n = decode(data, starts[row], starts[row + 1], points, places) if valid[row] else 0
        for i in range(n):
            kinds[i] = table[points[i]]
        count_characters(points, kinds, n, counts[row])
        lo, fresh = 0, True
        while lo < n:
            first_word = word
            hi = lo
            num_chunks, longest_here = 0, 0
            while hi < n and not kinds[hi] & BREAK:
                if kinds[hi] & SPACE:
                    hi += 1
                    continue
                begin = hi
                while hi < n and not kinds[hi] & SPACE:
                    hi += 1
                cuts[0], num_words = hi, 1
                if not is_plain(kinds, begin, hi):
                    num_words = cut_chunk(points, kinds, begin, hi, cuts)
                start = begin
                for k in range(num_words):
                    some, every, value = 0, 0xFFFF, FNV_OFFSET
                    for i in range(start, cuts[k]):
                        some |= kinds[i]
                        every &= kinds[i]
                        value = (value ^ np.uint64(points[i])) * FNV_PRIME
                    word_hashes[word] = mix(value)
                    word_chars[word] = cuts[k] - start
                    flags[word] = word_bits(some, every, cuts[k] - start)
                    start = cuts[k]
                    word += 1
                num_chunks += 1
                longest_here = max(longest_here, hi - begin)
            if lo < hi:
                hashes[line] = hash_points(points, lo, hi)
                chars[line] = hi - lo
                bits[line] = line_bits(points, kinds, lo, hi) if num_chunks else BLANK
                if fresh:
                    bits[line] |= STARTS_PARAGRAPH
                sentences[line] = count_sentences(flags, first_word, word)
                chunks[line] = num_chunks
                longest_chunk[line] = longest_here
                line_starts[line] = places[lo]
                line_stops[line] = places[hi]
                line += 1
            fresh = lo == hi
            counts[row, LINES] += 1
            counts[row, LINE_CHARS] += hi - lo
            counts[row, LONGEST_LINE] = max(counts[row, LONGEST_LINE], hi - lo)
            lo = hi + 2 if hi + 1 < n and points[hi] == RETURN and points[hi + 1] == NEWLINE else hi + 1
        word_bounds[row + 1] = word
        line_bounds[row + 1] = line
