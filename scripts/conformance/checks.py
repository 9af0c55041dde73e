"""What the scripts that drive a vendor's client have in common: running checks one by one, and seeing that nobody is left behind.

A suite is a class with `test_…` methods, and has `http`, a client whose host is the daemon, `model`, and `title`, what the last line says.
"""
import argparse
import time
import traceback


class LeftOut(Exception):
    """The model has no template for this."""


class Checks:
    def running(self):
        """Requests that run or wait."""
        counted = ("quern_requests_running ", "quern_requests_waiting ")
        lines = self.http.get("http://quern/metrics").text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith(counted))

    def await_idle(self, what):
        start = time.monotonic()
        while self.running() > 0:
            assert time.monotonic() - start < 10, f"{what}: still running after 10 s"
            time.sleep(0.005)
        print(f"     {what}: place free {1000 * (time.monotonic() - start):.0f} ms after leaving")

    def run(self, only):
        """Runs the checks whose name contains `only`; returns how many failed."""
        tests = [name for name in dir(self) if name.startswith("test_") and (not only or only in name)]
        failures = left_out = 0
        for name in tests:
            try:
                getattr(self, name)()
                print(f"ok   {name[5:]}")
            except LeftOut as reason:
                left_out += 1
                print(f"--   {name[5:]}: {reason}")
            except Exception:   # one failing check must not hide the others
                failures += 1
                print(f"FAIL {name[5:]}")
                traceback.print_exc()
        print(f"{len(tests) - failures - left_out} of {len(tests)} passed, {left_out} left out; {self.title}, model {self.model}")
        return failures


def command_line(description):
    """The parser of a suite's command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", help="the daemon's HTTP socket")
    parser.add_argument("--only", help="run the tests whose name contains this")
    return parser
