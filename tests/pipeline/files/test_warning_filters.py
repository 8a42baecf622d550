import threading
import warnings

from pipeline.files import without_warnings

SECONDS = 20  # to wait for another thread before the test fails


def test_warnings_are_off_within_blocks_and_on_after_them():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with without_warnings():
            with without_warnings():
                warnings.warn("inner", stacklevel=1)
            warnings.warn("outer", stacklevel=1)
        warnings.warn("after", stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["after"]


def test_threads_that_overlap_leave_the_filters_as_they_were():
    before, begun, entered, leave = list(warnings.filters), threading.Event(), threading.Event(), threading.Event()

    def run_first():
        with without_warnings():
            begun.set()
            assert leave.wait(SECONDS)

    def run_second():
        with without_warnings():
            entered.set()
            first.join(SECONDS)  # so that the first one restores its filters before

    first, second = threading.Thread(target=run_first), threading.Thread(target=run_second)
    first.start()
    assert begun.wait(SECONDS)
    second.start()
    assert not entered.wait(0.1)
    leave.set()
    second.join(SECONDS)
    assert entered.is_set()
    assert warnings.filters == before
