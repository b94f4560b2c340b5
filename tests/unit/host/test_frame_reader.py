"""Reading frames in batches, over an ordinary datagram socket pair."""

import socket

import pytest

from baremetal_lb.host.frame_reader import FrameReader


def test_waiting_frames_come_in_order_in_batches_and_cut_to_size():
    reader = FrameReader(frames=4, octets=16)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        sent = [bytes([number]) * (number + 13) for number in range(6)]
        for frame in sent:
            theirs.send(frame)
        assert [reader.read(ours.fileno()), reader.read(ours.fileno())] == [
            [frame[:16] for frame in sent[:4]],
            [frame[:16] for frame in sent[4:]],
        ]
        with pytest.raises(BlockingIOError):
            reader.read(ours.fileno())


def test_a_socket_that_cannot_be_read_says_so():
    with pytest.raises(OSError, match="Bad file descriptor"):
        FrameReader(frames=1, octets=16).read(-1)
