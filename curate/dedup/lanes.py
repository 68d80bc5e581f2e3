"""Sixty-four bytes of text at a time: the four vector operations the kernels of this folder are built from.

    letter_bits(b"ab, cd"...)   0b110011: which bytes are not zero, one bit a byte

Numba compiles loops over single bytes; what a processor does to 64 of them in a few instructions is written here once,
in LLVM's vectors, which every processor has (AVX-512 takes one register, SSE and NEON four). Nothing is checked: the
caller sees to it that 64 bytes (8 for `load_lane`) may be read and written at the place it names. Little-endian, as
Arrow's buffers are.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # Numba is built on it
from numba import types
from numba.extending import intrinsic

WIDTH = 64  # bytes in one block
I8, I64 = ir.IntType(8), ir.IntType(64)
BLOCK = ir.VectorType(I8, WIDTH)


@intrinsic
def load_lane(typing: Any, data: Any, place: Any) -> Any:
    """Return the eight bytes at `place` as one uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature, args, 0), I64.as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Return the number of the lowest set bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def letter_bits(typing: Any, data: Any, place: Any) -> Any:
    """Return one bit for each of the 64 bytes at `place`: whether it is not zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _load(context, builder, signature, args, 0)
        return builder.bitcast(builder.icmp_unsigned("!=", block, _all(0)), I64)

    return types.uint64(data, types.int64), generate


@intrinsic
def fold_letters(typing: Any, data: Any, place: Any, out: Any, end: Any, case_bit: Any, also: Any) -> Any:
    """Write the 64 bytes at `place` to `out[end:]`: ASCII letters | case_bit, digits and `also` as they are, else zero.

    Returns: uint64, one bit for each byte that is not ASCII.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _load(context, builder, signature, args, 0)
        lower = builder.or_(block, _all(0x20))
        letter = builder.icmp_unsigned("<", builder.sub(lower, _all(ord("a"))), _all(26))
        digit = builder.icmp_unsigned("<", builder.sub(block, _all(ord("0"))), _all(10))
        taken = builder.or_(digit, builder.icmp_unsigned("==", block, _spread(builder, args[5])))
        folded = builder.select(letter, builder.or_(block, _spread(builder, args[4])), block)
        _store(context, builder, signature, args, builder.select(builder.or_(letter, taken), folded, _all(0)))
        return builder.bitcast(builder.icmp_signed("<", block, _all(0)), I64)

    return types.uint64(data, types.int64, out, types.int64, types.uint8, types.uint8), generate


@intrinsic
def even_blanks(typing: Any, data: Any, place: Any, out: Any, end: Any) -> Any:
    """Write the 64 bytes at `place` to `out[end:]` with every ASCII white space as a blank.

    Returns: uint64, one bit for each blank.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _load(context, builder, signature, args, 0)
        control = builder.icmp_unsigned("<", builder.sub(block, _all(ord("\t"))), _all(5))  # \t \n \v \f \r
        blank = builder.or_(control, builder.icmp_unsigned("==", block, _all(ord(" "))))
        _store(context, builder, signature, args, builder.select(blank, _all(ord(" ")), block))
        return builder.bitcast(blank, I64)

    return types.uint64(data, types.int64, out, types.int64), generate


def _address(context: Any, builder: Any, signature: Any, args: Any, array: int) -> Any:
    """Return the address of the byte args[array][args[array + 1]]."""
    made = context.make_array(signature.args[array])(context, builder, args[array])
    return builder.gep(made.data, [args[array + 1]])


def _load(context: Any, builder: Any, signature: Any, args: Any, array: int) -> Any:
    address = builder.bitcast(_address(context, builder, signature, args, array), BLOCK.as_pointer())
    return builder.load(address, align=1)


def _store(context: Any, builder: Any, signature: Any, args: Any, block: Any) -> None:
    address = builder.bitcast(_address(context, builder, signature, args, 2), BLOCK.as_pointer())
    builder.store(block, address, align=1)


def _all(value: int) -> Any:
    return ir.Constant(BLOCK, [value] * WIDTH)


def _spread(builder: Any, byte: Any) -> Any:
    none = ir.Constant(BLOCK, ir.Undefined)
    one = builder.insert_element(none, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))
