import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from segmenter.evaluation import student
from segmenter.evaluation.bootstrap import Estimate, PatientBootstrap, _weighted_median, tail


def by_loop(patients, draws, statistic):
    """The interval of a statistic of rows, patient by patient and draw by draw; `draws` are those of the class."""
    names = sorted(set(patients))
    values = []
    for times in draws:
        rows = [
            row
            for name, count in zip(names, times, strict=True)
            for _ in range(count)
            for row in np.flatnonzero(patients == name)
        ]
        values.append(statistic(rows))
    count = len(names)
    outside = stats.norm.cdf(-np.sqrt(count / (count - 1)) * stats.t.ppf(0.975, count - 1))
    return np.quantile([value for value in values if not np.isnan(value)], (outside, 1 - outside))


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    patients = np.array([f"P{number}" for number in rng.integers(0, 9, 40)])
    values = rng.uniform(size=40)
    values[[3, 17, 20]] = np.nan
    return patients, values


def test_intervals_are_those_of_a_plain_loop(table):
    patients, values = table
    bootstrap = PatientBootstrap(patients, draws=300)
    lesions = np.arange(40) % 3
    detected = np.minimum(lesions, np.arange(40) % 2)
    for estimate, statistic, value in (
        (bootstrap.mean(values), lambda rows: np.nanmean(values[rows]), np.nanmean(values)),
        (bootstrap.median(values), lambda rows: np.nanmedian(values[rows]), np.nanmedian(values)),
        (
            bootstrap.ratio(detected, lesions),
            lambda rows: detected[rows].sum() / lesions[rows].sum(),
            detected.sum() / lesions.sum(),
        ),
    ):
        assert estimate.value == pytest.approx(value)
        assert (estimate.low, estimate.high) == pytest.approx(tuple(by_loop(patients, bootstrap.times, statistic)))


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6, 15, 29, 30, 298, 5000])
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_quantiles_of_student_are_those_of_scipy(degrees, share):
    assert student.quantile(share, degrees) == pytest.approx(stats.t.ppf((1 + share) / 2, degrees), rel=1e-9)


def test_intervals_are_wider_with_fewer_patients_and_with_more_confidence():
    assert tail(2) < tail(6) < tail(16) < tail(300) < 0.025
    assert tail(6) == pytest.approx(stats.norm.cdf(-np.sqrt(6 / 5) * 2.570582), rel=1e-5)
    assert tail(10, 0.99) < tail(10)


def test_the_interval_has_the_confidence_that_is_asked_for():
    patients = [f"P{number}" for number in range(10, 30)]
    values = np.linspace(0, 1, 20)
    bootstrap = PatientBootstrap(patients, confidence=0.5)
    low, high = np.quantile(bootstrap.times @ values / 20, (tail(20, 0.5), 1 - tail(20, 0.5)))
    assert bootstrap.mean(values) == Estimate(pytest.approx(0.5), pytest.approx(low), pytest.approx(high))
    assert 0.2 < tail(20, 0.5) < 0.25


def test_patients_are_names_whatever_their_type():
    numbers = PatientBootstrap([10, 9, 2])
    assert numbers.names.tolist() == ["10", "2", "9"]
    assert numbers.mean(np.array([1.0, 2.0, 4.0])) == PatientBootstrap(["10", "9", "2"]).mean(np.array([1.0, 2.0, 4.0]))


def test_the_number_of_patients_is_of_those_that_have_a_value():
    """Six of nine patients count, so that the interval is that of six."""
    values = np.array([0.1, 0.2, 0.4, 0.5, 0.7, 0.9, np.nan, np.nan, np.nan])
    bootstrap = PatientBootstrap([f"P{number}" for number in range(9)])
    drawn = [np.nanmean(np.repeat(values, times)) for times in bootstrap.times if times[:6].any()]
    low, high = np.quantile(drawn, (tail(6), 1 - tail(6)))
    assert bootstrap.mean(values) == Estimate(pytest.approx(np.nanmean(values)), pytest.approx(low), pytest.approx(high))


def test_a_difference_of_medians_draws_the_same_patients_for_both(table):
    patients, values = table
    others = np.random.default_rng(4).uniform(size=40)
    others[5] = np.nan
    both = ~np.isnan(values) & ~np.isnan(others)
    bootstrap = PatientBootstrap(patients, draws=300)

    def difference(rows):
        rows = [row for row in rows if both[row]]
        return np.median(values[rows]) - np.median(others[rows])

    estimate = bootstrap.median_difference(values, others)
    assert estimate.value == pytest.approx(difference(range(40)))
    assert (estimate.low, estimate.high) == pytest.approx(tuple(by_loop(patients, bootstrap.times, difference)))
    assert bootstrap.median_difference(values, values) == Estimate(0.0, 0.0, 0.0)
    only_one = np.where(patients == patients[0], others, np.nan)
    assert bootstrap.median_difference(values, only_one).low is None


def test_each_draw_has_as_many_patients_as_there_are(table):
    times = PatientBootstrap(table[0]).times
    assert times.shape == (2000, 9)
    assert (times.sum(axis=1) == 9).all()


def test_the_same_seed_draws_the_same(table):
    patients, values = table
    first, second, other = (PatientBootstrap(patients, seed=seed).mean(values) for seed in (1, 1, 2))
    assert first == second != other


def test_the_interval_of_equal_values_is_a_point():
    assert PatientBootstrap(["a", "b", "c"]).mean(np.full(3, 0.25)) == Estimate(0.25, 0.25, 0.25)


def test_with_two_patients_the_interval_goes_from_one_to_the_other():
    assert PatientBootstrap(["a", "b"]).mean(np.array([0.0, 1.0])) == Estimate(0.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("patients", "values"),
    [(["a", "a"], [0.2, 0.4]), (["a", "a", "b"], [0.2, 0.4, np.nan])],
    ids=["one patient", "one patient with values"],
)
def test_one_patient_gives_no_interval(patients, values):
    for estimate in (PatientBootstrap(patients).mean(np.array(values)), PatientBootstrap(patients).median(np.array(values))):
        assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(0.3), None, None)


def test_draws_without_any_value_are_left_out():
    estimate = PatientBootstrap(["a", "b", "c"]).mean(np.array([1.0, 0.5, np.nan]))
    assert estimate == Estimate(0.75, 0.5, 1.0)


def test_a_ratio_without_denominator_is_nan():
    assert np.isnan(PatientBootstrap(["a", "b"]).ratio(np.zeros(2), np.zeros(2)).value)
    assert np.isnan(PatientBootstrap(["a", "b"]).ratio(np.ones(2), np.zeros(2)).value)


def test_a_ratio_may_have_a_small_denominator():
    assert PatientBootstrap(["a", "b"]).ratio(np.array([0.25, 0]), np.array([0.5, 0])).value == 0.5


@pytest.mark.filterwarnings("error")
def test_the_median_of_no_value_is_nan_without_a_warning():
    assert np.isnan(PatientBootstrap(["a", "b"]).median(np.full(2, np.nan)).value)


def test_the_median_of_a_draw_is_in_the_middle_of_its_rows():
    weights = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 1], [2, 0, 1], [2, 2, 0], [0, 0, 5]])
    median = _weighted_median(np.array([1.0, 2.0, 4.0]), weights)
    np.testing.assert_array_equal(median, [np.nan, 2, 2.5, 1, 1.5, 4])


def test_many_images_of_few_patients_give_wider_intervals_than_as_many_patients():
    """Ten images of each of ten patients, with equal values within a patient."""
    values = np.repeat(np.linspace(0, 1, 10), 10)
    by_patient = PatientBootstrap(np.repeat([f"P{number}" for number in range(10)], 10)).mean(values)
    by_image = PatientBootstrap([f"P{number}" for number in range(100)]).mean(values)
    assert by_patient.high - by_patient.low > 2 * (by_image.high - by_image.low)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), min_size=2, max_size=12))
def test_the_median_of_a_draw_is_that_of_the_repeated_rows(rows):
    patients, values = np.array([name for name, _ in rows]), np.array([value for _, value in rows])
    bootstrap = PatientBootstrap(patients, draws=20)
    estimate = bootstrap.median(values)
    assert estimate.value == np.median(values)
    if len(set(patients)) > 1:
        assert (estimate.low, estimate.high) == pytest.approx(
            tuple(by_loop(patients, bootstrap.times, lambda repeated: np.median(values[repeated]) if repeated else np.nan))
        )
