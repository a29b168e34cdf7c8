import resource

from paglets.supervise.limits import paglets_allowed, raise_nofile_limit


def test_each_paglet_counts_for_four_descriptors_beyond_the_reserve() -> None:
    assert paglets_allowed(256 + 5 * 100) == 100
    assert paglets_allowed(256 + 5 * 100 + 4) == 100


def test_spares_take_the_place_of_paglets() -> None:
    assert paglets_allowed(256 + 5 * 100, spares=2) == 98


def test_at_least_one_paglet_is_allowed() -> None:
    assert paglets_allowed(64) == 1
    assert paglets_allowed(256 + 5 * 5, spares=64) == 1


def test_no_limit_is_a_large_number() -> None:
    assert paglets_allowed(resource.RLIM_INFINITY) > 200_000


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        assert raise_nofile_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
