# writes.py HOW RECORD NEW - the ways in which Python programs write a file. With $cut set it dies in the middle.
import errno
import fcntl
import mmap
import os
import pathlib
import signal
import sys
import tempfile

how, record, new = sys.argv[1:4]
text = open(new).read()
directory = os.path.dirname(record)


def die():
    if os.environ.get("cut"):
        os.kill(os.getpid(), signal.SIGKILL)


def write_and_close(file):
    file.write(text)
    file.flush()
    die()
    file.close()


def open_w():
    write_and_close(open(record, "w"))


def unbuffered():
    with open(record, "wb", buffering=0) as file:
        for byte in text.encode():
            file.write(bytes([byte]))
        die()


def read_write():
    with open(record, "r+") as file:
        file.read()
        file.seek(0)
        file.write(text)
        file.truncate()
        file.flush()
        die()


def append():
    with open(record, "a") as file:
        file.write(text)


def exclusive():
    os.unlink(record)
    write_and_close(open(record, "x"))


def fsynced():
    with open(record, "w") as file:
        file.write(text)
        file.flush()
        die()
        os.fsync(file.fileno())


def pathlib_text():
    pathlib.Path(record).write_text(text)


def replace():
    with tempfile.NamedTemporaryFile("w", dir=directory, delete=False) as file:
        file.write(text)
        file.flush()
        die()
        os.fsync(file.fileno())
    os.replace(file.name, record)


def never_closed():
    globals()["file"] = open(record, "w")
    file.write(text)


def mapped():
    with open(record, "r+b") as file:
        file.truncate(len(text))
        with mmap.mmap(file.fileno(), len(text)) as memory:
            memory[:] = text.encode()


def mapped_private():
    with open(record, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as memory:
        changed = memory[:].decode().replace('"old"', os.environ["to"])
    with open(record, "w") as file:
        file.write(changed)


def backwards():
    file = os.open(record, os.O_WRONLY | os.O_TRUNC)
    raw = text.encode()
    for start in reversed(range(0, len(raw), len(raw) // 7)):
        os.pwrite(file, raw[start : start + len(raw) // 7], start)
    die()
    os.close(file)


def copy_file_range():
    source, target = os.open(new, os.O_RDONLY), os.open(record, os.O_WRONLY | os.O_TRUNC)
    os.copy_file_range(source, target, 1 << 20)
    die()
    os.close(target)


def sendfile():
    source, target = os.open(new, os.O_RDONLY), os.open(record, os.O_WRONLY | os.O_TRUNC)
    os.sendfile(target, source, 0, 1 << 20)
    die()
    os.close(target)


def shutil_copy():
    import shutil

    shutil.copy2(new, record)


def shutil_move():
    import shutil

    shutil.move(new, record)


def unnamed():
    if hasattr(os, "O_TMPFILE"):
        try:
            os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
                raise
    replace()


def locked():
    with open(record, "r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(text)
        file.flush()
        die()
        fcntl.lockf(file, fcntl.LOCK_UN)


def allocated():
    target = os.open(record, os.O_WRONLY | os.O_TRUNC)
    try:
        os.posix_fallocate(target, 0, len(text))
    except OSError as error:
        print("posix_fallocate:", error.strerror.lower().replace("operation ", ""))
    os.write(target, text.encode())
    die()
    os.close(target)


def child():
    import subprocess

    with open(record, "w") as file:
        subprocess.run(["cat", new], stdout=file, check=True)


def fileinput_edit():
    import fileinput

    with fileinput.input(record, inplace=True) as lines:
        for line in lines:
            print(line.replace('"old"', os.environ["to"]), end="")


globals()[how]()
