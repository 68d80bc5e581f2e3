"""The system calls that a program in the sandbox is refused, as a filter for the kernel (seccomp, Linux).

    filter_program("x86_64")        # bytes: BPF instructions of 8 bytes; `confine.py` installs them before the program

Namespaces hide files, processes and the network, and limits count what a process maps. This filter takes what is left:

- memory that no limit counts: System V segments, queues and semaphores, files in memory (memfd), file systems in memory
  mounted in a user namespace of one's own: a program limited to 256 MB held 800 MB in each of the first two;
- keyrings, which no namespace separates from those of the user who started the evaluation;
- sockets of other families than local, internet and netlink: a virtual machine's line to its host is in no namespace;
- ptrace and reading another process's memory; io_uring, bpf, perf and userfaultfd, a kernel's most attacked corners.

A refused call fails with EPERM, clone3 with ENOSYS, so that the C library falls back to clone, whose flags can be read.
Any other architecture's calls (32-bit ones on a 64-bit kernel) end the program. Numbers: Linux's `syscall_64.tbl`
and `asm-generic/unistd.h`.
"""

import struct

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*
REFUSED = {  # name: numbers on x86_64 and aarch64
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
}
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (getaddrinfo asks it)
X32 = 0x40000000  # this bit marks x86_64's calls with 32-bit pointers, a second set of numbers

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF operations on 32-bit words
NUMBER, ARCHITECTURE, ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; the low half of the first argument
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = (0x00050000 | number for number in (1, 38, 97))

Step = tuple[int, int, int, int]  # operation, steps to skip when true, when false, operand


def filter_program(machine: str) -> bytes:
    """Return the filter for a machine as `platform.machine()` names it; empty where its numbers are not known."""
    if machine not in MACHINES:
        return b""
    column = list(MACHINES).index(machine)
    steps: list[Step] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, MACHINES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        (RETURN, 0, 0, KILL),
    ]
    for numbers in REFUSED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, EPERM)]
    steps += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, ENOSYS)]
    steps += [(EQUAL, 0, 3, CLONE[column]), (LOAD, 0, 0, ARGUMENT), (ANY_BIT, 0, 1, NEW_NAMESPACES)]
    steps += [(RETURN, 0, 0, EPERM), (LOAD, 0, 0, NUMBER)]
    families: list[Step] = [(EQUAL, len(FAMILIES) - place, 0, family) for place, family in enumerate(FAMILIES)]
    steps += [(EQUAL, 0, len(families) + 2, SOCKET[column]), (LOAD, 0, 0, ARGUMENT), *families]
    steps += [(RETURN, 0, 0, EAFNOSUPPORT), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
