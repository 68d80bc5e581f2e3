"""The inside of the sandbox: a script of the standard library alone that locks itself in and runs a program.

    python -I -S confine.py REPORT_FD < order.json          started by `curate.evaluate.sandbox`, never by hand

In this order, before a line of the program is read:

1. new mount, process, network, IPC and host-name namespaces; a user other than root gets a user namespace first;
2. a new root: an empty file system of limited size that is the program's working directory, and read-only views of
   Python and the system's libraries; the old root is unmounted, so nothing else of this machine has a name any more;
3. root becomes a user id of this sandbox alone, every capability goes, and no way leads back (no_new_privs);
4. a filter of system calls, see `curate.evaluate.syscalls`;
5. limits on processor time, memory, file size, processes and open files.

The program runs as process 2 of its own process namespace. When process 1 ends, or its parent dies, the kernel ends
all of them. What the program is to prove comes through a pipe: a token that is written only after the last test.
"""
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH112, PTH114, PTH115, PTH120, PTH123, PTH211
# pathlib would take longer to load than the sandbox takes to make

import contextlib
import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
import traceback
import types
import typing

CLONE = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
SYSCALLS = {"x86_64": {"pivot_root": 155, "capset": 126}, "aarch64": {"pivot_root": 41, "capset": 91}}
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000  # the same number on every architecture since Linux 5.12
DEVICES = ("null", "zero", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def syscall(name: str) -> int:
    if platform.machine() not in SYSCALLS:
        raise OSError(f"no system call numbers for {platform.machine()}")
    return SYSCALLS[platform.machine()][name]


def mount(source: str, target: str, kind: "str | None", flags: int, data: str = "") -> None:
    kind_bytes = kind.encode() if kind else None
    check(
        libc.mount(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), data.encode()),
        f"mount {target}",
    )


def enter_namespaces() -> None:
    user, group = os.getuid(), os.getgid()
    flags = CLONE["mount"] | CLONE["pid"] | CLONE["net"] | CLONE["ipc"] | CLONE["uts"]
    check(libc.unshare(flags | (CLONE["user"] if user else 0)), "unshare")
    if user:
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(line)


def new_root(folder: str, read_only: "list[str]", disk_bytes: int) -> None:
    """Make `folder` the root: an empty /work to write in, and read-only views of what Python needs."""
    os.umask(0o022)  # who is no longer root must be able to pass the folders made here
    mount("none", "/", None, MS_REC | MS_PRIVATE)  # what is mounted from here on stays in here
    mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={disk_bytes},nr_inodes=4096,mode=755")
    for path in read_only:
        bind(path, folder + path)
    os.makedirs(f"{folder}/dev")
    for device in DEVICES:
        bind(f"/dev/{device}", f"{folder}/dev/{device}")
    for name in ("work", "old"):
        os.mkdir(f"{folder}/{name}")
    os.chmod(f"{folder}/work", 0o777)
    os.symlink("/work", f"{folder}/tmp")
    check(libc.syscall(syscall("pivot_root"), folder.encode(), f"{folder}/old".encode()), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/old", MNT_DETACH), "umount2")
    os.rmdir("/old")
    os.chdir("/work")


def bind(path: str, target: str) -> None:
    """Show `path` at `target`, read-only with all that is mounted below it."""
    if os.path.islink(path):  # /lib, which is usr/lib
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    mount(path, target, None, MS_BIND | MS_REC)
    if path.startswith("/dev/"):
        return
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)  # these bits have mount's values
    if libc.syscall(MOUNT_SETATTR, AT_FDCWD, target.encode(), AT_RECURSIVE, ctypes.byref(attributes), 32) != 0:
        mount(path, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def drop_privileges(user: int) -> None:
    if os.getuid() == 0:  # whose processes no limit counts
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    check(libc.syscall(syscall("capset"), ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")


def limit(limits: "dict[str, tuple[int, int]]") -> None:
    for name, (soft, hard) in limits.items():
        most = resource.getrlimit(kind := getattr(resource, name))[1]
        if most != resource.RLIM_INFINITY:  # a lower limit of this machine stays: only root may raise it
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def die_with_parent() -> None:
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def refuse(steps: bytes) -> None:
    """Hand the kernel a filter of system calls; it holds for all that this process starts."""
    if not steps:
        raise OSError(f"no filter of system calls for {platform.machine()}")
    program = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(kept := ctypes.create_string_buffer(steps)))
    check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0), "seccomp")
    del kept  # alive until the kernel has copied it


def run(program: str, tests: str, helpers: str, entry_point: str) -> None:
    """Execute a program, then its tests where the program's names do not reach: they see the real builtins.

    With an entry point the tests define `check`, which is given the program's function, and `helpers` is what else they
    may name. Without one they are statements about the program's names. As in HumanEval's own harness the program is
    not "__main__": what it would do only when started as a script is not done.
    """
    import builtins

    everywhere, real = vars(builtins), dict(vars(builtins))
    module = types.ModuleType("program")
    sys.modules["program"] = sys.modules["__main__"] = module  # the latter, or it could import this script
    names = vars(module)
    exec(compile(program, "<program>", "exec"), names)
    everywhere.clear()
    everywhere.update(real)
    if entry_point:
        apart: dict[str, typing.Any] = {"__name__": "program"}
        exec(compile(helpers, "<helpers>", "exec"), apart)
        apart[entry_point] = names[entry_point]
        exec(compile(tests, "<tests>", "exec"), apart)
        apart["check"](names[entry_point])
    else:
        exec(compile(tests, "<tests>", "exec"), names)


def lock_in(order: "dict[str, typing.Any]", report: int) -> None:
    """Return in process 1 of the sandbox; the process that came here waits for it and ends as it does."""
    die_with_parent()
    enter_namespaces()
    first = os.fork()
    if first:
        os.close(report)
        end(os.waitpid(first, 0)[1])
    new_root(order["folder"], order["read_only"], order["disk_bytes"])
    drop_privileges(order["user"])
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    die_with_parent()  # after the change of user, which forgets it
    refuse(bytes.fromhex(order["refused"]))


def judge(order: "dict[str, typing.Any]", report: int) -> None:
    """Be the program: set the limits, run it, and write the token when all its tests are behind it.

    What it forks comes to the same end, and must neither prove nor report anything a second time.
    """
    leave, identity, program = os._exit, os.getpid, os.getpid()
    try:
        limit(order["limits"])
        run(order["program"], order["tests"], order["helpers"], order["entry_point"])
        if identity() != program:
            leave(0)
        os.write(report, order["token"].encode())
    except BaseException:  # noqa: BLE001  whatever a program raises, SystemExit too, it has failed
        if identity() == program:
            traceback.print_exc()
        leave(1)
    with contextlib.suppress(Exception):  # it may have closed or replaced its stdout, which is no failure
        sys.stdout.flush()
    leave(0)


def end(status: int) -> None:
    """End as another process did, as a shell tells of it."""
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def main(report: int) -> None:
    order = json.loads(sys.stdin.buffer.read())
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    if order["contained"]:
        try:
            lock_in(order, report)
        except OSError as error:
            os.write(report, f"{error}\n".encode())
            os._exit(2)
    os.write(report, b"ready\n")
    program = os.fork()
    if program == 0:
        judge(order, report)
    end(os.waitpid(program, 0)[1])


if __name__ == "__main__":
    main(int(sys.argv[1]))
