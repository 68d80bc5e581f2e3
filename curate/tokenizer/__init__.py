"""From text to tokens: train a byte-level BPE (`bpe`), tokenise a corpus into memory-mapped shards (`pack`)."""
