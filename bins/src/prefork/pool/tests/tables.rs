//! How much is wanted, by what is seen.

use super::*;

#[test]
fn the_shortage_is_what_waits_and_what_is_to_be_spare() {
    let hot = |look| Look { pressure: Some(91), ..look };
    let starting = |n, look: Look| Look { starting: n, members: look.members + n, ..look };
    let unknown = |look: Look| Look { unknown: look.busy, ..look };
    let cases: [(&str, Look, Want); 24] = [
        ("at its goal", calm(2, 0), Want::Stay),
        ("busy, but enough spare", calm(2, 7), Want::Stay),
        ("one spare was taken", calm(1, 1), Want::Grow(1)),
        ("all spares were taken", calm(0, 2), Want::Grow(2)),
        ("they are being replaced", starting(2, calm(0, 2)), Want::Stay),
        (
            "a queue that idle ones take, and no spare is left",
            waiting(2, calm(2, 0)),
            Want::Grow(2),
        ),
        ("a burst", arrived(waiting(31, calm(0, 1))), Want::Grow(33)),
        ("a burst that is seen by chance", waiting(31, calm(0, 1)), Want::Grow(33)),
        ("a burst that starting ones will take", starting(33, waiting(31, calm(0, 2))), Want::Stay),
        ("more of a burst", starting(5, waiting(31, calm(0, 2))), Want::Grow(28)),
        ("workers died", calm(0, 0), Want::Grow(2)),
        ("workers died, no queue", dim(0, 0), Want::Grow(2)),
        ("counted", dim(0, 5), Want::Grow(1)),
        ("counted after an arrival", arrived(dim(0, 5)), Want::Grow(3)),
        ("counted after an arrival, one idle", arrived(dim(1, 5)), Want::Grow(1)),
        ("hot, nobody waits", hot(calm(0, 5)), Want::Stay),
        ("hot, somebody waits", hot(waiting(20, calm(0, 5))), Want::Grow(1)),
        ("hot, the idle ones take it", hot(waiting(2, calm(2, 5))), Want::Stay),
        ("hot, but workers died", hot(calm(1, 0)), Want::Grow(1)),
        ("hot, nobody seen to wait", hot(dim(0, 5)), Want::Grow(1)),
        ("just below the limit", Look { pressure: Some(90), ..calm(0, 5) }, Want::Grow(2)),
        ("nothing is seen but the queue", unknown(calm(0, 5)), Want::Stay),
        ("nothing is seen but what waits", unknown(waiting(4, calm(0, 5))), Want::Grow(4)),
        ("nothing is seen at all", unknown(dim(0, 5)), Want::Stay),
    ];
    for (name, look, want) in cases {
        let mut pool = begun(spare(2, 6));
        assert_eq!(pool.decide(ms(1000), &look).want, want, "{name}: {look:?}");
    }
}

#[test]
fn a_member_that_no_look_found_is_busy() {
    let mut pool = begun(spare(2, 6));
    let look = Look { members: 3, idle: 1, queue: Some(0), ..Look::default() };
    let decision = pool.decide(ms(1000), &look);
    assert_eq!(decision.want, Want::Grow(1));
}

#[test]
fn a_pool_starts_with_its_start_workers_and_may_end_with_fewer() {
    let mut pool = Pool::new(PoolRules { start_workers: 8, ..spare(2, 9) });
    assert_eq!(pool.target(), 8);
    assert_eq!(pool.decide(ms(0), &calm(0, 0)).want, Want::Grow(8));
    let starting = Look { members: 8, starting: 8, ..calm(0, 0) };
    assert_eq!(pool.decide(ms(1), &starting).want, Want::Stay);
    assert_eq!(pool.target(), 2);
    assert_eq!(pool.decide(ms(2), &calm(5, 0)).want, Want::Stay);
    pool.restart();
    assert_eq!(pool.decide(ms(3), &calm(5, 0)).want, Want::Grow(3));
}

#[test]
fn a_fixed_pool_keeps_its_number() {
    let again = Some(ms(1001));
    for (members, want, next) in
        [(0, Want::Grow(5), again), (4, Want::Grow(1), again), (5, Want::Stay, None)]
    {
        let mut pool = Pool::new(rules(Size::Fixed(5)));
        let hot = Look { pressure: Some(100), ..arrived(calm(0, members)) };
        let decision = pool.decide(ms(1), &hot);
        assert_eq!(decision, Decision { want, held_back: false, next, listen: false });
    }
    let mut pool = Pool::new(rules(Size::Fixed(5)));
    let decision = pool.decide(ms(1), &calm(0, 7));
    assert_eq!(decision.want, Want::Shrink(2));
    assert_eq!(decision.next, Some(ms(101)), "nobody may be idle now");
}

#[test]
fn workers_are_added_and_removed_within_bounds() {
    let mut fixed = Pool::new(PoolRules { max_workers: 6, ..rules(Size::Fixed(5)) });
    assert_eq!(fixed.adjust(1), Ok(6));
    assert!(fixed.adjust(1).is_err());
    assert!(fixed.adjust(i64::MAX).is_err());
    assert_eq!(fixed.target(), 6, "a refusal changes nothing");
    assert_eq!(fixed.adjust(-5), Ok(1));
    let refusal = fixed.adjust(-1).unwrap_err();
    assert_eq!(refusal, "one worker has to stay, there are to be 1 now");
    assert!(fixed.adjust(i64::MIN).is_err());
    assert_eq!(fixed.decide(ms(0), &calm(5, 0)).want, Want::Shrink(4));
    assert_eq!(Pool::new(rules(Size::Fixed(200))).adjust(-1), Ok(199), "above the default maximum");

    let mut pool = begun(PoolRules { max_workers: 10, ..spare(4, 6) });
    assert_eq!(pool.adjust(-8), Ok(2));
    assert_eq!((pool.ceiling(), pool.target()), (2, 2), "the spares go below their minimum");
    assert_eq!(pool.decide(ms(1), &calm(1, 4)).want, Want::Shrink(3));
    assert_eq!(pool.decide(ms(2), &calm(1, 1)).want, Want::Stay);
    assert!(pool.adjust(9).is_err());
    assert_eq!(pool.adjust(8), Ok(10));
}

#[test]
fn the_ceiling_is_named_once() {
    let mut pool = begun(PoolRules { max_workers: 10, ..spare(2, 6) });
    let first = pool.decide(ms(1), &waiting(9, calm(0, 7)));
    assert_eq!((first.want, first.held_back), (Want::Grow(3), true));
    let full = pool.decide(ms(2), &waiting(6, calm(0, 10)));
    assert_eq!((full.want, full.held_back, full.listen), (Want::Stay, false, false));
    assert!(full.next.is_some(), "the queue is to become shorter");
    let replaced = pool.decide(ms(3), &waiting(6, calm(0, 9)));
    assert_eq!((replaced.want, replaced.held_back), (Want::Grow(1), false), "still short");
    assert!(!pool.decide(ms(4), &calm(3, 6)).held_back);
    assert!(pool.decide(ms(5), &waiting(9, calm(0, 10))).held_back, "it was below");
}

#[test]
fn nobody_is_started_above_the_memory_ceiling() {
    for size in [Size::Fixed(9), Size::Spare { min: 2, max: 4 }, Size::OnDemand] {
        let mut pool = begun(PoolRules { max_memory: Some(1000), ..rules(size) });
        let look = |memory| Look { memory, ..waiting(5, calm(0, 3)) };
        let decision = pool.decide(ms(1), &look(Some(1001)));
        assert_eq!(decision.want, Want::Stay, "{size:?}");
        assert!(decision.next.is_some(), "{size:?}");
        assert!(matches!(pool.decide(ms(2), &look(Some(1000))).want, Want::Grow(_)), "{size:?}");
        assert!(matches!(pool.decide(ms(3), &look(None)).want, Want::Grow(_)), "{size:?}");
        let stale = Look { memory: Some(2000), ..waiting(1, calm(0, 0)) };
        assert!(matches!(pool.decide(ms(4), &stale).want, Want::Grow(_)), "nobody is left");
    }
}

#[test]
fn the_spawn_rate_is_a_bucket_of_one_second() {
    let mut pool = Pool::new(PoolRules { max_spawn_rate: 4, ..rules(Size::Fixed(20)) });
    let first = pool.decide(ms(0), &calm(0, 0));
    assert_eq!((first.want, first.next), (Want::Grow(4), Some(ms(250))));
    let early = pool.decide(ms(249), &calm(4, 0));
    assert_eq!((early.want, early.next), (Want::Stay, Some(ms(250))));
    assert_eq!(pool.decide(ms(250), &calm(4, 0)).want, Want::Grow(1));
    assert_eq!(pool.decide(ms(1000), &calm(5, 0)).want, Want::Grow(3));
    assert_eq!(pool.decide(ms(9000), &calm(8, 0)).want, Want::Grow(4), "no more than a second's");
    let mut pool = Pool::new(PoolRules { max_spawn_rate: u32::MAX, ..rules(Size::Fixed(20)) });
    assert_eq!(pool.decide(ms(0), &calm(0, 0)).want, Want::Grow(20));
}
