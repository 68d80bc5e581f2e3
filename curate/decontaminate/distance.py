"""How far two trees are apart: exact edit distance, behind bounds that are never too high.

    tree_distance(a.labels, a.sizes, b.labels, b.sizes)      # Zhang & Shasha 1989: least inserted, deleted, relabelled

Trees are two arrays in preorder: label numbers and subtree sizes. Three bounds come first, each cheaper and looser
than the next, and none ever exceeds the distance, so that what is found is what an exact comparison of all pairs finds:
the difference of sizes; labels without a partner, max(n, m) - |common labels|; the edit distance of the
preorder sequences (Guha et al. 2002). The exact one takes n * m * depth^2 steps at worst.
"""

import numpy as np

from curate.text.kernel import kernel


@kernel
def tree_distance(a: np.ndarray, a_sizes: np.ndarray, b: np.ndarray, b_sizes: np.ndarray) -> int:
    """Return the edit distance of two trees, given as (n,) labels and (n,) subtree sizes in preorder.

    Read backwards, a preorder is the postorder of the mirrored tree, and mirroring both trees changes no distance.
    """
    n, m = len(a), len(b)
    a_post, a_left = _mirrored(a, a_sizes)
    b_post, b_left = _mirrored(b, b_sizes)
    trees = np.zeros((n, m), np.int32)
    forest = np.zeros((n + 1, m + 1), np.int32)
    for i in _key_roots(a_left):
        for j in _key_roots(b_left):
            _forest_distance(a_post, a_left, b_post, b_left, i, j, forest, trees)
    return int(trees[n - 1, m - 1])


@kernel
def _mirrored(labels: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels in postorder of the mirrored tree, and each node's leftmost leaf."""
    n = len(labels)
    left = np.empty(n, np.int32)
    for i in range(n):
        left[i] = i - sizes[n - 1 - i] + 1
    return labels[::-1].copy(), left


@kernel
def _key_roots(left: np.ndarray) -> np.ndarray:
    """Return the nodes that are the last with their leftmost leaf, in order."""
    seen = np.zeros(len(left), np.bool_)
    found = np.empty(len(left), np.int32)
    count = 0
    for i in range(len(left) - 1, -1, -1):
        if not seen[left[i]]:
            seen[left[i]] = True
            found[count] = i
            count += 1
    return found[:count][::-1].copy()


@kernel
def _forest_distance(
    a: np.ndarray,
    a_left: np.ndarray,
    b: np.ndarray,
    b_left: np.ndarray,
    i: int,
    j: int,
    forest: np.ndarray,
    trees: np.ndarray,
) -> None:
    """Fill `trees` for the pairs whose leftmost leaves are those of `i` and `j`."""
    low, under = a_left[i], b_left[j]
    forest[0, 0] = 0
    for x in range(1, i - low + 2):
        forest[x, 0] = x
    for y in range(1, j - under + 2):
        forest[0, y] = y
    for x in range(1, i - low + 2):
        p = low + x - 1
        for y in range(1, j - under + 2):
            q = under + y - 1
            best = min(forest[x - 1, y], forest[x, y - 1]) + 1
            if a_left[p] == low and b_left[q] == under:
                best = min(best, forest[x - 1, y - 1] + (a[p] != b[q]))
                trees[p, q] = best
            else:
                best = min(best, forest[a_left[p] - low, b_left[q] - under] + trees[p, q])
            forest[x, y] = best


@kernel
def sequence_distance(a: np.ndarray, b: np.ndarray, most: int) -> int:
    """Return the edit distance of two label sequences, or `most` + 1 where it is more than `most`."""
    n, m = len(a), len(b)
    if abs(n - m) > most:
        return most + 1
    row = np.arange(m + 1)
    for i in range(1, n + 1):
        lo, hi = max(1, i - most), min(m, i + most)  # cells outside the band cost more than `most`
        diagonal = row[lo - 1]
        row[lo - 1] = i if lo == 1 else most + 1
        least = row[lo - 1]
        for j in range(lo, hi + 1):
            above = row[j] if j < i + most else most + 1
            cost = min(diagonal + (a[i - 1] != b[j - 1]), min(above, row[j - 1]) + 1)
            diagonal = row[j]
            row[j] = cost
            least = min(least, cost)
        if least > most:
            return most + 1
    return int(min(row[m], most + 1))


@kernel
def align(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return (n,) for each place of `a` its partner in `b` in one shortest alignment, -1 where it has none."""
    n, m = len(a), len(b)
    cost = np.empty((n + 1, m + 1), np.int32)
    cost[:, 0] = np.arange(n + 1)
    cost[0, :] = np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            replaced = cost[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            cost[i, j] = min(replaced, min(cost[i - 1, j], cost[i, j - 1]) + 1)
    partner = np.full(n, -1, np.int32)
    i, j = n, m
    while i > 0 and j > 0:
        if cost[i, j] == cost[i - 1, j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            if a[i] == b[j]:
                partner[i] = j
        elif cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return partner


@kernel
def allowed(larger: int, min_rate: float) -> int:
    """Return the largest distance at which 1 - distance / larger is still `min_rate`."""
    return int(np.floor((1.0 - min_rate) * larger + 1e-9))


@kernel
def near_pairs(
    labels: np.ndarray,  # (N,) of one source; 0 is a label that no item has
    starts: np.ndarray,  # (T,) of its trees
    stops: np.ndarray,
    item_sizes: np.ndarray,  # (I,)
    offsets: np.ndarray,  # (L + 1,) of each label's postings
    items: np.ndarray,  # (P,) items that have the label
    counts: np.ndarray,  # (P,) how often
    min_rate: float,
) -> np.ndarray:
    """Return (K, 2) pairs of tree and item that sizes and labels allow to be as near as `min_rate`."""
    least = int(np.floor(min_rate * item_sizes.min()))
    most = int(np.ceil(item_sizes.max() / min_rate))
    own = np.zeros(len(offsets) - 1, np.int32)
    common = np.zeros(len(item_sizes), np.int32)
    found = np.empty((64, 2), np.int32)
    size = 0
    for t in range(len(starts)):
        n = stops[t] - starts[t]
        if n < least or n > most:
            continue
        common[:] = 0
        for k in range(starts[t], stops[t]):
            own[labels[k]] += 1
        own[0] = 0
        for k in range(starts[t], stops[t]):
            label = labels[k]
            if own[label]:
                for p in range(offsets[label], offsets[label + 1]):
                    common[items[p]] += min(counts[p], own[label])
                own[label] = 0
        for item in range(len(item_sizes)):
            larger = max(n, item_sizes[item])
            if larger - common[item] <= allowed(larger, min_rate):
                if size == len(found):
                    grown = np.empty((2 * size, 2), np.int32)
                    grown[:size] = found
                    found = grown
                found[size, 0], found[size, 1] = t, item
                size += 1
    return found[:size]
