"""Reads many frames of a packet socket in one system call (recvmmsg(2)), which Python's socket module does not have.

Under a storm most of the cost of a frame is the way into the kernel and back; 64 at once cost little more than one. For a single frame
it costs what ``recv`` does, since the second call that would say "nothing more" is not needed.
"""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``: where to put a message, and the length of what was received."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class FrameReader:
    """Room for one batch; may serve any number of sockets, one after the other."""

    def __init__(self, *, frames: int, octets: int) -> None:
        self.frames = frames
        self._octets = octets
        self._buffer = bytearray(frames * octets)
        start = ctypes.addressof((ctypes.c_char * len(self._buffer)).from_buffer(self._buffer))
        self._vectors = (_Vector * frames)(*(_Vector(start + number * octets, octets) for number in range(frames)))
        self._messages = (_Message * frames)()
        for message, vector in zip(self._messages, self._vectors, strict=True):
            message.header.vectors = ctypes.pointer(vector)
            message.header.vector_count = 1
        self._receive = _libc.recvmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._address = ctypes.addressof(self._messages)
        self._view = memoryview(self._buffer)

    def read(self, descriptor: int) -> list[bytes]:
        """Return the frames that wait at a non-blocking socket, at most a batch, each cut after ``octets``.

        Raises:
            BlockingIOError: none waits.
            OSError: the interface cannot be read.
        """
        count = self._receive(descriptor, self._address, self.frames, 0, None)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        view, octets, messages = self._view, self._octets, self._messages
        return [bytes(view[number * octets : number * octets + messages[number].length]) for number in range(count)]
