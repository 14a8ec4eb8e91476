//! The steps against a simulated descriptor table.

use super::*;
use crate::testing::Random;
use std::collections::BTreeMap;

/// number -> (what is open there, close-on-exec)
type Table = BTreeMap<RawFd, (u32, bool)>;

fn execute(plan: &FdPlan<'_>, table: &mut Table) {
    let mut slots = vec![-1; plan.slots()];
    for step in plan.steps() {
        match step {
            Step::Lift { from, slot } => {
                let what = table[&from].0;
                let free = (plan.lift_base()..).find(|fd| !table.contains_key(fd)).unwrap();
                assert!(table.insert(free, (what, true)).is_none());
                assert_eq!(std::mem::replace(&mut slots[slot], free), -1, "slot used twice");
            }
            Step::Dup { from, to } => {
                let from = match from {
                    Source::Fd(fd) => fd,
                    Source::Slot(slot) => slots[slot],
                };
                assert_ne!(from, to, "dup3 refuses equal numbers");
                let what = table[&from].0;
                table.insert(to, (what, false));
            }
            Step::Inherit { fd } => table.get_mut(&fd).unwrap().1 = false,
        }
    }
}

fn check(moves: &[(RawFd, RawFd)]) -> usize {
    let mut plan = FdPlan::new();
    // Everything else is open too, so that every mistake hits something.
    let mut table: Table = (0..40).map(|fd| (fd, (fd as u32, true))).collect();
    for (from, to) in moves {
        plan.add(Move { from: *from, to: *to }).unwrap();
    }
    execute(&plan, &mut table);
    let inherited: BTreeMap<RawFd, u32> =
        table.iter().filter(|(_, (_, cloexec))| !cloexec).map(|(fd, (w, _))| (*fd, *w)).collect();
    let wanted: BTreeMap<RawFd, u32> = moves.iter().map(|(from, to)| (*to, *from as u32)).collect();
    assert_eq!(inherited, wanted, "{moves:?} by {:?}", plan.steps());
    plan.slots()
}

#[test]
fn chosen_maps() {
    assert_eq!(check(&[]), 0);
    assert_eq!(check(&[(5, 5)]), 0);
    assert_eq!(check(&[(5, 5), (5, 6)]), 0);
    assert_eq!(check(&[(5, 6), (5, 7), (5, 0)]), 0);
    assert_eq!(check(&[(3, 4), (4, 3)]), 2);
    assert_eq!(check(&[(3, 4), (4, 5), (5, 3), (9, 9)]), 3);
    assert_eq!(check(&[(3, 4), (4, 5)]), 1);
}

#[test]
fn random_maps_with_cycles_and_repeats() {
    let mut random = Random(20);
    let (mut lifted, mut same) = (0, 0);
    for _ in 0..10_000 {
        let span = 3 + random.below(20);
        let mut moves: Vec<(RawFd, RawFd)> = Vec::new();
        if random.below(3) == 0 {
            let length = 2 + random.below(5) as RawFd;
            moves.extend((0..length).map(|i| (i + 1, (i + 1) % length + 1)));
        }
        for _ in 0..random.below(12) {
            let (from, to) = (random.below(span) as RawFd, random.below(span) as RawFd);
            if !moves.iter().any(|m| m.1 == to) {
                same += usize::from(from == to);
                moves.push((from, to));
            }
        }
        lifted += check(&moves);
    }
    assert!(lifted > 5_000 && same > 500, "the generator met no conflicts: {lifted} {same}");
}

#[test]
fn bad_targets_leave_the_plan_alone() {
    let mut plan = FdPlan::new();
    plan.add(Move { from: 9, to: 3 }).unwrap();
    for to in [3, -1, RawFd::MIN, MAX_FD + 1, RawFd::MAX] {
        assert_eq!(plan.add(Move { from: 8, to }).unwrap_err().target(), to);
    }
    assert_eq!(plan.moves(), [Move { from: 9, to: 3 }]);
    assert_eq!(
        plan.add(Move { from: 8, to: 3 }).unwrap_err().to_string(),
        "descriptor number 3 is planned for two descriptors"
    );
    assert_eq!(
        plan.add(Move { from: 8, to: -1 }).unwrap_err().to_string(),
        "descriptor number -1 is not within 0 to 1048575"
    );
    assert_eq!((plan.lift_base(), FdPlan::new().lift_base()), (4, 3));
    assert_eq!((plan.highest_target(), FdPlan::new().highest_target()), (Some(3), None));
}
