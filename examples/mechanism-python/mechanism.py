#!/usr/bin/env python3
"""A mechanism of a subnet owner's own, written in Python: cleaning signals of noise.

The validator starts this script and says by PLEXUS_MECHANISM_LISTEN where to serve. README.md has the two commands.
"""

import array
import math
import os
import random
import secrets
import signal
import sys
import threading
import time
from concurrent import futures

import grpc

from plexus.mechanism.v1 import mechanism_pb2 as pb
from plexus.mechanism.v1 import mechanism_pb2_grpc as rpc

LENGTH = 64  # numbers of one signal
WAVES = 3  # that it is the sum of, each with an amplitude of 0.5 to 1
NOISE = 0.6  # standard deviation of what is added
PROMPT, LATE = 1.0, 5.0  # seconds: up to the first nothing is taken off, at the second nothing is left


class Denoise(rpc.MechanismServicer):
    """Scores 1 for the clean signal, and 0 for handing back the noisy one or nothing but zeros."""

    def __init__(self):
        self._lock = threading.Lock()
        self._rounds = {}  # name of a round: when it expires, and of each signal the truth and the error to beat

    def Describe(self, request, context):
        return pb.DescribeResponse(
            task="denoise",
            inputs=[pb.TensorSpec(name="noisy", datatype="FP32", shape=[-1, LENGTH])],
            outputs=[pb.TensorSpec(name="clean", datatype="FP32", shape=[-1, LENGTH])],
            metric="1 - squared error / squared error of not cleaning, less what is late",
            chance=0,
            distinct=True,
        )

    def Challenge(self, request, context):
        name = secrets.token_bytes(16)
        questions, truths = [], []
        for _ in range(request.count):
            clean, noisy = draw()
            truths.append((clean, to_beat(clean, noisy)))
            tensor = pb.Tensor(name="noisy", datatype="FP32", shape=[1, LENGTH], contents=encode(noisy))
            questions.append(pb.Question(inputs=[tensor]))
        now = time.monotonic()
        with self._lock:
            self._rounds = {n: r for n, r in self._rounds.items() if r[0] > now}
            self._rounds[name] = (now + request.expires_ms / 1000, truths)
        return pb.ChallengeResponse(round=name, challenges=questions)

    def Score(self, request, context):
        with self._lock:
            found = self._rounds.get(request.round)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such round, or it has expired")
        truths = found[1]
        if len(request.answers) != len(truths):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{len(request.answers)} answers to {len(truths)} challenges")
        return pb.ScoreResponse(marks=[mark(a, *t) for a, t in zip(request.answers, truths)])


def mark(answer, clean, error_to_beat):
    """What an answer is worth. Where there is none, that is nothing."""
    if answer.error:
        return pb.Mark()
    said = decode(answer.outputs[0].contents)  # the validator has checked the datatype and its rank
    if len(said) != LENGTH:
        return pb.Mark(reason=f"{len(said)} numbers to one question: want {LENGTH}")
    error = squared_error(said, clean)
    if not math.isfinite(error):
        return pb.Mark(reason="not all numbers are finite")
    quality = max(0.0, 1 - error / error_to_beat)
    seconds = answer.latency_ns / 1e9
    return pb.Mark(score=quality * min(1.0, max(0.0, (LATE - seconds) / (LATE - PROMPT))))


def draw():
    """A signal that nobody can foresee, and the same with noise."""
    rng = random.Random(secrets.randbits(256))
    clean = [0.0] * LENGTH
    for _ in range(WAVES):
        amplitude, frequency, phase = rng.uniform(0.5, 1), rng.uniform(0.05, 0.45), rng.uniform(0, 2 * math.pi)
        for t in range(LENGTH):
            clean[t] += amplitude * math.sin(frequency * t + phase)
    return clean, [y + rng.gauss(0, NOISE) for y in clean]


def to_beat(clean, noisy):
    """The smaller squared error of two that clean nothing. It is never 0, so that scores are numbers."""
    return max(min(squared_error(noisy, clean), squared_error([0.0] * LENGTH, clean)), 1e-6)


def squared_error(a, b):
    return sum((x - y) * (x - y) for x, y in zip(a, b))


def encode(values):
    numbers = array.array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def decode(contents):
    numbers = array.array("f", contents)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def main():
    address = os.environ.get("PLEXUS_MECHANISM_LISTEN")
    if not address:
        sys.exit("mechanism.py: PLEXUS_MECHANISM_LISTEN is not set: the validator sets it to unix:PATH")
    limit = int(os.environ.get("PLEXUS_MECHANISM_MAX_MESSAGE_BYTES", 64 << 20))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)],
    )
    rpc.add_MechanismServicer_to_server(Denoise(), server)
    server.add_insecure_port(address)
    server.start()
    print("denoise serves on", address, flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
