//! The list in memory: exact, bounded, and right while others write.

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_000_000);

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn token(user_name: &str, id: &str, expires_at: i64) -> Line {
    let entry = Entry::Token {
        user: user(user_name),
        id: TokenId::parse(id).unwrap(),
    };
    Line {
        entry,
        expires_at: UnixSeconds(expires_at),
    }
}

fn family(id: &str, expires_at: i64) -> Line {
    Line {
        entry: Entry::Family(FamilyId::parse(id).unwrap()),
        expires_at: UnixSeconds(expires_at),
    }
}

fn epoch(name: &str, epoch: u64, issued_until: i64, expires_at: i64) -> Line {
    let entry = Entry::User {
        user: user(name),
        epoch,
        issued_until: UnixSeconds(issued_until),
    };
    Line {
        entry,
        expires_at: UnixSeconds(expires_at),
    }
}

struct Token {
    user: UserId,
    id: TokenId,
    family: Option<FamilyId>,
    epoch: Option<u64>,
    issued_at: i64,
}

impl Token {
    fn new(name: &str, id: &str) -> Self {
        Self {
            user: user(name),
            id: TokenId::parse(id).unwrap(),
            family: None,
            epoch: None,
            issued_at: NOW.0,
        }
    }

    fn on(&self, replica: &Replica) -> Option<RevokedBy> {
        let subject = Subject {
            user: &self.user,
            id: &self.id,
            family: self.family.as_ref(),
            epoch: self.epoch,
            issued_at: UnixSeconds(self.issued_at),
        };
        replica.find(subject, NOW)
    }
}

#[test]
fn a_token_is_refused_for_its_own_user_only() {
    let replica = Replica::default();
    replica.merge(&token("ann", "one", NOW.0 + 1));
    assert_eq!(Token::new("ann", "one").on(&replica), Some(RevokedBy::Token));
    assert_eq!(Token::new("bob", "one").on(&replica), None);
    assert_eq!(Token::new("ann", "two").on(&replica), None);
    // No boundary between user and id that could be shifted.
    replica.merge(&token("ab", "c", NOW.0 + 1));
    assert_eq!(Token::new("a", "bc").on(&replica), None);
}

#[test]
fn a_family_takes_all_its_tokens_with_it() {
    let replica = Replica::default();
    replica.merge(&family("0123456789ab", NOW.0 + 1));
    let mut found = Token::new("ann", "any");
    assert_eq!(found.on(&replica), None);
    found.family = Some(FamilyId::parse("0123456789ab").unwrap());
    assert_eq!(found.on(&replica), Some(RevokedBy::Family));
}

#[test]
fn a_users_tokens_are_refused_by_epoch_or_by_time_of_issue() {
    let replica = Replica::default();
    replica.merge(&epoch("ann", 5, NOW.0, NOW.0 + 1));
    for (epoch, issued_at, refused) in [
        (Some(4), NOW.0 + 100, true),
        (Some(5), NOW.0 - 100, false),
        (Some(6), NOW.0, false),
        (None, NOW.0, true),
        (None, NOW.0 - 1, true),
        (None, NOW.0 + 1, false),
    ] {
        let token = Token {
            epoch,
            issued_at,
            ..Token::new("ann", "any")
        };
        assert_eq!(
            token.on(&replica),
            refused.then_some(RevokedBy::User),
            "{epoch:?} {issued_at}"
        );
        assert_eq!(
            Token {
                user: user("bob"),
                ..token
            }
            .on(&replica),
            None
        );
    }
    assert_eq!(replica.epoch(&user("ann")), 5);
    assert_eq!(replica.epoch(&user("bob")), 0);
}

#[test]
fn merging_never_lowers_anything() {
    let replica = Replica::default();
    replica.merge(&epoch("ann", 5, 10, NOW.0 + 9));
    replica.merge(&epoch("ann", 4, 20, NOW.0 + 1));
    replica.begin_scan();
    assert_eq!(replica.unseen(NOW), [epoch("ann", 5, 20, NOW.0 + 9)]);
    replica.merge(&token("ann", "one", NOW.0 + 9));
    replica.merge(&token("ann", "one", NOW.0 - 9));
    assert_eq!(Token::new("ann", "one").on(&replica), Some(RevokedBy::Token));
    assert_eq!(replica.sizes(), [1, 0, 1]);
}

#[test]
fn an_entry_stops_to_count_in_the_second_it_expires_and_is_dropped_later() {
    let replica = Replica::default();
    replica.merge(&token("ann", "one", NOW.0 + 1));
    replica.merge(&token("ann", "two", NOW.0));
    replica.merge(&family("0123456789ab", NOW.0));
    replica.merge(&epoch("ann", 5, NOW.0, NOW.0));
    assert_eq!(Token::new("ann", "one").on(&replica), Some(RevokedBy::Token));
    assert_eq!(Token::new("ann", "two").on(&replica), None);
    replica.sweep(NOW);
    assert_eq!(replica.sizes(), [2, 1, 1], "a clock that jumps must not lose anything");
    replica.sweep(NOW.plus(SLACK_SECONDS));
    assert_eq!(replica.sizes(), [1, 0, 0]);
    replica.sweep(NOW.plus(SLACK_SECONDS + 1));
    assert_eq!(replica.sizes(), [0, 0, 0]);
}

#[test]
fn a_comparison_finds_what_the_store_does_not_have_or_has_less_of() {
    let replica = Replica::default();
    let lines = [
        token("ann", "one", NOW.0 + 5),
        family("0123456789ab", NOW.0 + 5),
        epoch("ann", 5, 10, NOW.0 + 5),
    ];
    lines.iter().for_each(|line| replica.merge(line));
    replica.merge(&token("ann", "over", NOW.0));
    replica.begin_scan();
    assert_eq!(replica.unseen(NOW), lines, "what is over need not come back");
    replica.merge(&token("bob", "new", NOW.0 + 5));
    replica.merge_seen(&token("ann", "one", NOW.0 + 5));
    replica.merge_seen(&family("0123456789ab", NOW.0 + 4));
    replica.merge_seen(&epoch("ann", 4, 10, NOW.0 + 5));
    assert_eq!(replica.unseen(NOW), &lines[1..], "an older state is not the same");
    replica.merge_seen(&family("0123456789ab", NOW.0 + 6));
    replica.merge_seen(&epoch("ann", 6, 11, NOW.0 + 6));
    assert_eq!(replica.unseen(NOW), []);
}

#[test]
fn a_million_entries_fit_and_go() {
    let replica = Replica::default();
    for number in 0..1_000_000 {
        replica.merge(&token("ann", &format!("{number:021}"), NOW.0 + 1));
    }
    assert_eq!(replica.sizes(), [1_000_000, 0, 0]);
    assert_eq!(
        Token::new("ann", &format!("{:021}", 777_777)).on(&replica),
        Some(RevokedBy::Token)
    );
    replica.sweep(NOW.plus(SLACK_SECONDS + 1));
    assert_eq!(replica.sizes(), [0, 0, 0]);
}

#[test]
fn an_entry_that_is_renewed_while_others_are_swept_stays() {
    let ids: Vec<String> = (0..50).map(|number| format!("id{number}")).collect();
    for _ in 0..1000 {
        let replica = Replica::default();
        ids.iter()
            .for_each(|id| replica.merge(&token("ann", id, NOW.0 - SLACK_SECONDS)));
        std::thread::scope(|threads| {
            threads.spawn(|| replica.sweep(NOW));
            ids.iter().for_each(|id| replica.merge(&token("ann", id, NOW.0 + 1)));
        });
        assert!(
            ids.iter()
                .all(|id| Token::new("ann", id).on(&replica) == Some(RevokedBy::Token))
        );
        assert_eq!(replica.sizes(), [50, 0, 0]);
    }
}
