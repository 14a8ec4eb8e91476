//! When something is wanted, and when to look again.

use super::*;

/// What each of the looks leads to; the times are in milliseconds.
fn wants(pool: &mut Pool, looks: &[(u64, Look)]) -> Vec<Want> {
    looks.iter().map(|(at, look)| pool.decide(ms(*at), look).want).collect()
}

#[test]
fn growth_by_counting_doubles_up_to_32_and_begins_again_when_satisfied() {
    let mut pool = begun(spare(40, 60));
    let mut busy = 40;
    let mut steps = Vec::new();
    for tick in 10..17 {
        if let Want::Grow(n) = pool.decide(ms(tick * 100), &dim(0, busy)).want {
            steps.push(n);
            busy += n;
        }
        assert_eq!(pool.decide(ms(tick * 100 + 99), &dim(0, busy)).want, Want::Stay, "one a tick");
    }
    assert_eq!(steps, [1, 2, 4, 8, 16, 32, 32]);
    assert_eq!(
        wants(&mut pool, &[(2000, dim(40, 60)), (2100, dim(0, 100)), (2200, dim(0, 101))]),
        [Want::Stay, Want::Grow(1), Want::Grow(2)]
    );
}

#[test]
fn growth_by_counting_does_not_double_while_nobody_can_be_started() {
    let mut pool = begun(spare(2, 60));
    let look = dim(0, 9);
    assert_eq!(
        wants(&mut pool, &[(1000, look), (1100, look), (1200, look), (1300, look)]),
        [Want::Grow(1), Want::Grow(2), Want::Grow(1), Want::Grow(1)],
    );
}

#[test]
fn growth_by_counting_does_not_make_more_than_may_be_idle() {
    let mut pool = begun(spare(1, 3));
    let looks = [(1000, dim(0, 1)), (1100, dim(0, 2)), (1200, dim(0, 4)), (1300, dim(0, 7))];
    let expected = [Want::Grow(1), Want::Grow(2), Want::Grow(3), Want::Grow(3)];
    assert_eq!(wants(&mut pool, &looks), expected);
}

#[test]
fn under_pressure_a_shorter_queue_gets_twice_as_many_and_an_unchanged_one_few() {
    let mut pool = begun(spare(2, 6));
    let hot = |queue, busy| Look { pressure: Some(99), ..waiting(queue, calm(0, busy)) };
    let looks = [
        (1000, hot(9, 5)),
        (1050, hot(9, 6)),
        (1100, hot(9, 6)),
        (2000, hot(9, 6)), // a second without any effect
        (2100, hot(8, 7)),
        (2150, hot(6, 9)),
        (2200, hot(6, 9)),
        (2300, hot(2, 13)), // no more than wait
        (2400, hot(12, 15)),
    ];
    let (one, no) = (Want::Grow(1), Want::Stay);
    let [two, four] = [2, 4].map(Want::Grow);
    assert_eq!(wants(&mut pool, &looks), [one, no, no, one, two, no, four, two, one]);
    let cool = waiting(12, calm(0, 9));
    assert_eq!(pool.decide(ms(2401), &cool).want, Want::Grow(14), "the pressure has gone");
}

#[test]
fn a_worker_leaves_after_the_idle_timeout_and_then_one_a_second() {
    let mut pool = begun(spare(2, 6));
    let looks = [
        (1_000, calm(9, 1)),
        (10_000, calm(9, 1)),
        (10_500, calm(6, 4)), // a break
        (11_000, calm(9, 1)),
        (20_999, calm(9, 1)),
        (21_000, calm(9, 1)),
        (21_999, calm(8, 1)),
        (22_000, calm(8, 1)),
        (23_000, calm(7, 1)),
        (24_000, calm(6, 1)),
        (60_000, calm(6, 1)),
    ];
    let (no, one) = (Want::Stay, Want::Shrink(1));
    assert_eq!(wants(&mut pool, &looks), [no, no, no, no, no, one, no, one, one, no, no]);
}

#[test]
fn a_queue_that_the_idle_ones_have_to_take_keeps_them() {
    let mut pool = begun(spare(2, 6));
    let looks = [(1_000, calm(9, 0)), (11_000, waiting(3, calm(9, 0))), (11_010, calm(9, 0))];
    assert_eq!(wants(&mut pool, &looks), [Want::Stay; 3]);
    assert_eq!(pool.decide(ms(21_010), &calm(9, 0)).want, Want::Shrink(1));
}

/// Lets the pool have one too many until one leaves; how many seconds that took.
fn seconds_until_one_leaves(pool: &mut Pool, from: u64) -> u64 {
    (0..200)
        .find(|s| pool.decide(ms((from + s) * 1000), &calm(7, 0)).want == Want::Shrink(1))
        .expect("one leaves")
}

#[test]
fn who_came_back_too_soon_stays_longer_until_it_is_calm() {
    let mut pool = begun(spare(2, 6));
    let mut now = 1;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let wait = seconds_until_one_leaves(&mut pool, now);
        waits.push(wait);
        now += wait + 5;
        assert_eq!(pool.decide(ms(now * 1000), &calm(1, 5)).want, Want::Grow(1), "missed");
        now += 1;
    }
    assert_eq!(waits, [10, 20, 40, 80, 80, 80]);
    let mut calmer = Vec::new();
    for _ in 0..4 {
        now += 160;
        pool.decide(ms(now * 1000), &calm(2, 0));
        calmer.push(seconds_until_one_leaves(&mut pool, now));
        now += 120;
        pool.decide(ms(now * 1000), &calm(2, 0));
    }
    assert!(calmer.is_sorted_by(|a, b| a >= b) && calmer.last() == Some(&10), "{calmer:?}");
}

#[test]
fn a_replaced_worker_did_not_come_back() {
    let mut pool = begun(spare(2, 6));
    assert_eq!(seconds_until_one_leaves(&mut pool, 1), 10);
    assert_eq!(pool.decide(ms(12_000), &calm(1, 0)).want, Want::Grow(1), "the others died");
    assert_eq!(seconds_until_one_leaves(&mut pool, 13), 10);
}

#[test]
fn a_pool_on_demand_starts_who_is_needed_and_retires_who_is_not() {
    let mut pool = Pool::new(rules(Size::OnDemand));
    let idle = pool.decide(ms(0), &calm(0, 0));
    assert_eq!((idle.want, idle.next, idle.listen), (Want::Stay, None, true));
    let looks = [
        (100, arrived(waiting(3, calm(0, 0)))),
        (101, Look { members: 3, starting: 3, ..waiting(3, calm(0, 0)) }),
        (200, arrived(calm(0, 3))),
        (1_000, calm(3, 0)),
        (5_000, calm(1, 2)),
        (9_000, calm(3, 0)),
        (11_000, calm(3, 0)),
        (11_001, calm(2, 0)),
        (21_000, calm(2, 0)),
        (21_001, calm(0, 0)),
    ];
    let no = Want::Stay;
    let expected = [Want::Grow(3), no, no, no, no, no, Want::Shrink(1), no, Want::Shrink(2), no];
    assert_eq!(wants(&mut pool, &looks), expected);
    let again = pool.decide(ms(30_000), &calm(0, 0));
    assert_eq!((again.next, again.listen), (None, true));
    let unseen = arrived(dim(0, 4));
    assert_eq!(pool.decide(ms(31_000), &unseen).want, Want::Grow(1), "it may be waiting");
    assert_eq!(pool.decide(ms(31_001), &arrived(dim(1, 4))).want, Want::Stay);
}

#[test]
fn an_idle_pool_at_its_goal_is_left_alone() {
    for rules in [spare(2, 6), spare(0, 3), rules(Size::OnDemand), rules(Size::Fixed(2))] {
        let listens = !matches!(rules.size, Size::Fixed(_));
        let mut pool = begun(rules);
        let idle = pool.target();
        let decision = pool.decide(ms(1000), &calm(idle, 0));
        assert_eq!((decision.want, decision.next), (Want::Stay, None), "{pool:?}");
        assert_eq!(decision.listen, listens);
    }
}

#[test]
fn looks_follow_an_arrival_until_nothing_moves() {
    let mut pool = begun(spare(2, 6));
    let mut at = 1000;
    let mut pauses = Vec::new();
    let mut look = arrived(calm(3, 1));
    for _ in 0..9 {
        let decision = pool.decide(ms(at), &look);
        assert!(decision.listen, "connections are rare");
        let next = decision.next.unwrap();
        pauses.push(next.saturating_since(ms(at)).as_millis());
        at = next.as_nanos() / 1_000_000;
        look = calm(3, 1 + u32::try_from(pauses.len()).unwrap());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100], "it moves all the time");
    let settled = pool.decide(ms(at), &calm(5, 0));
    assert_eq!((settled.next, settled.listen), (None, true));
}

#[test]
fn under_steady_load_connections_are_reported_every_ten_milliseconds() {
    let mut pool = begun(spare(2, 6));
    assert!(pool.decide(ms(1000), &arrived(calm(4, 2))).listen);
    let soon = pool.decide(ms(1001), &arrived(calm(4, 2)));
    assert!(!soon.listen);
    let looks = [(1002, false), (1010, false), (1011, true)];
    for (at, listen) in looks {
        assert_eq!(pool.decide(ms(at), &calm(4, 2)).listen, listen, "{at}");
    }
    let soon = pool.decide(ms(1012), &arrived(calm(4, 2)));
    assert_eq!((soon.listen, soon.next), (false, Some(ms(1022))));
    assert!(pool.decide(ms(1022), &calm(4, 2)).listen);
    assert!(pool.decide(ms(1100), &arrived(calm(4, 2))).listen, "rare again");
}

#[test]
fn nothing_is_reported_while_somebody_waits() {
    let mut pool = begun(spare(2, 6));
    let burst = pool.decide(ms(1000), &arrived(waiting(3, calm(0, 2))));
    assert_eq!((burst.listen, burst.next), (false, Some(ms(1001))), "it would come at once");
    let steady = pool.decide(ms(1001), &arrived(calm(4, 5)));
    assert!(steady.listen);
    let behind = pool.decide(ms(1002), &arrived(waiting(1, calm(4, 5))));
    assert!(!behind.listen);
    assert!(behind.next.is_some_and(|next| next <= ms(1012)), "{behind:?}");
}
