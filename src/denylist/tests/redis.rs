//! What a Redis can do to us: be away, hang, refuse, lose data. No request waits for it, and nothing that is known is
//! forgotten.

use std::time::{Duration, Instant};

use gateward_auth::{Secret, Standing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::redis_server::RedisServer;
use super::support::{
    Session, TestClock, adopt, claim, foreign, foreign_id, is_refused, now, open_loaded, retention, successor, until,
    user, verified, within,
};
use super::wire::Wire;
use crate::options::NEEDED_COMMANDS;
use crate::{Adopt, Adoption, Denylist, Options, RedisOptions, Rotated, StoreError, Trouble, open};

const GRACE: Duration = Duration::from_secs(10);
/// What an operation takes at most when Redis is known to be away. Generous: the machine may be busy.
const AT_ONCE: Duration = Duration::from_millis(100);
/// DESIGN §7: noticed within 5 s.
const NOTICED: Duration = Duration::from_secs(5);

fn at(server: &RedisServer) -> Options {
    Options::Redis(RedisOptions::new(server.url()))
}

fn with_resync(url: String, every: Duration) -> Options {
    let mut options = RedisOptions::new(url);
    options.resync_every = every;
    Options::Redis(options)
}

async fn open_only(options: Options) -> Denylist {
    open(options, TestClock::default().clock(), retention()).await.unwrap()
}

/// A connection of the test's own.
async fn direct(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap()
}

async fn command(server: &RedisServer, words: &[&str]) -> redis::Value {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(&mut direct(server).await).await.unwrap()
}

async fn recovered(list: &Denylist) {
    let took = until("the list is up to date again", || !list.health().degraded).await;
    assert!(took < NOTICED, "noticed after {took:?}");
}

/// Refused at once, with the right reason, and without asking Redis.
async fn refuses_at_once(list: &Denylist) -> Trouble {
    let began = Instant::now();
    let Err(StoreError::Unavailable { reason }) = list.revoke_user(&user("nobody"), now()).await else {
        panic!("a store that is away cannot have answered");
    };
    assert!(began.elapsed() < AT_ONCE, "waited {:?}", began.elapsed());
    reason
}

fn unknown_since(list: &Denylist) -> Option<Duration> {
    let token = verified(&user("somebody"), &foreign_id(), None, now());
    match list.peek(&token, now()) {
        Standing::Unknown { age } => age,
        other => panic!("the list is not up to date, and yet {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_at_start_is_waited_for() {
    let mut server = RedisServer::reserve(&[]).await;
    let list = open_only(at(&server)).await;
    until("the reason is told", || {
        list.health().reason == Some(Trouble::Unreachable)
    })
    .await;
    let health = list.health();
    assert!(!health.loaded && health.degraded && health.age.is_none(), "{health:?}");
    assert_eq!(unknown_since(&list), None);
    assert_eq!(refuses_at_once(&list).await, Trouble::Unreachable);
    server.run().await;
    recovered(&list).await;
    within("loaded", list.loaded()).await;
    Session::open(&list, "ann").await.refreshed(&list, GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_must_be_right() {
    let server = RedisServer::start_with(&["--requirepass", "right"]).await;
    let with = |username: Option<&str>, password: Option<&str>| {
        let mut options = RedisOptions::new(server.url());
        options.username = username.map(str::to_owned);
        options.password = password.map(Secret::new);
        Options::Redis(options)
    };
    for wrong in [
        with(None, None),
        with(None, Some("wrong")),
        with(Some("nobody"), Some("right")),
    ] {
        let list = open_only(wrong).await;
        until("the reason is told", || list.health().reason == Some(Trouble::Auth)).await;
        assert!(!list.health().loaded);
        assert_eq!(refuses_at_once(&list).await, Trouble::Auth);
    }
    for right in [with(None, Some("right")), with(Some("default"), Some("right"))] {
        Session::open(&open_loaded(right).await, "ann").await;
    }
    let address = format!("redis://:right@127.0.0.1:{}/3", server.port());
    Session::open(&open_loaded(Options::Redis(RedisOptions::new(address))).await, "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_user_needs_only_what_the_options_say() {
    let documented = include_str!("../../../config/README.md");
    assert!(
        documented.contains(&format!("`{NEEDED_COMMANDS}`")),
        "{NEEDED_COMMANDS}"
    );
    let mut rules = vec!["--user", "gateward", "on", ">secret", "~{gateward}:*", "-@all"];
    rules.extend(NEEDED_COMMANDS.split_whitespace());
    let server = RedisServer::start_with(&rules).await;
    let options = |prefix: &str| {
        let mut options = RedisOptions::new(server.url());
        options.username = Some("gateward".to_owned());
        options.password = Some(Secret::new("secret"));
        options.prefix = prefix.to_owned();
        Options::Redis(options)
    };
    let list = open_loaded(options("{gateward}:")).await;
    let session = Session::open(&list, "ann").await.refreshed(&list, GRACE).await;
    list.revoke_token(&session.user, &session.access, now()).await.unwrap();
    list.revoke_user(&session.user, now()).await.unwrap();
    list.revoke_user(&session.user, now()).await.unwrap();
    let token = foreign("bob");
    list.claim_adoption(&claim(&token, "a")).await.unwrap();
    list.release_adoption(&token, "a", GRACE).await.unwrap();
    let adoption = adopt(&token);
    list.adopt(&adoption, now()).await.unwrap();
    let adopted = Session::of(&adoption, 0);
    adopted.refreshed(&list, GRACE).await;
    list.adoption(&token, Duration::ZERO, now()).await.unwrap();
    list.store().purge(now().plus(10_000 * 3600)).await.unwrap();
    command(&server, &["FLUSHALL"]).await;
    until("it is written back", || list.stats().written_back == 4).await;

    let elsewhere = open_only(options("{other}:")).await;
    until("the reason is told", || {
        elsewhere.health().reason == Some(Trouble::Permission)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_stays_refused_while_redis_is_away() {
    let mut server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let (alive, dead) = (Session::open(&list, "ann").await, Session::open(&list, "ann").await);
    list.revoke_token(&dead.user, &dead.access, now()).await.unwrap();
    server.kill().await;
    let took = until("it is noticed", || list.health().degraded).await;
    assert!(took < Duration::from_secs(1), "noticed after {took:?}");
    let age = unknown_since(&list).unwrap();
    until("the list grows old", || {
        unknown_since(&list).is_some_and(|later| later > age)
    })
    .await;
    assert!(is_refused(&list, &dead.access_token()));
    for _ in 0..1000 {
        refuses_at_once(&list).await;
    }
    // Known to be revoked: that much can be said without Redis.
    let answer = list.rotate(dead.rotation(GRACE)).await.unwrap();
    assert_eq!(answer, Rotated::Refused(crate::Refused::Revoked));
    assert_eq!(list.stats().outages, 1, "one outage, not one for each request");

    server.run().await;
    recovered(&list).await;
    assert!(is_refused(&list, &dead.access_token()));
    assert_eq!(list.peek(&alive.access_token(), now()), Standing::Clear);
    alive.refreshed(&list, GRACE).await;
    assert_eq!(list.health().alarms, 0, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_new_redis_does_not_know_is_written_back() {
    let mut server = RedisServer::start().await;
    let [first, second] = [open_loaded(at(&server)).await, open_loaded(at(&server)).await];
    let by_family = Session::open(&first, "ann").await;
    first
        .revoke_token(&by_family.user, &by_family.access, now())
        .await
        .unwrap();
    let by_user = Session::open(&first, "bob").await;
    let epoch = first.revoke_user(&by_user.user, now()).await.unwrap();
    let id = foreign_id();
    first.revoke_token(&user("cid"), &id, now()).await.unwrap();
    until("the other knows", || second.health().entries == 3).await;

    server.kill().await;
    server.lose_data();
    until("it is noticed", || first.health().degraded && second.health().degraded).await;
    server.run().await;
    for list in [&first, &second] {
        recovered(list).await;
        until("an alarm is raised", || list.health().alarms == 1).await;
        assert!(is_refused(list, &by_family.access_token()) && is_refused(list, &by_user.access_token()));
    }
    // Somebody who never knew learns it from Redis again.
    until("it is written back", || {
        first.stats().written_back + second.stats().written_back >= 3
    })
    .await;
    let third = open_loaded(at(&server)).await;
    assert!(is_refused(&third, &by_family.refresh_token()));
    assert!(is_refused(&third, &by_user.refresh_token()));
    assert!(is_refused(&third, &verified(&user("cid"), &id, None, now())));
    assert_eq!(
        Session::open(&third, "bob").await.epoch,
        epoch,
        "an epoch does not go backwards"
    );
    assert_eq!((first.health().alarms, third.health().alarms), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_is_noticed_without_losing_the_connection() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let session = Session::open(&list, "ann").await;
    let epoch = list.revoke_user(&session.user, now()).await.unwrap();
    command(&server, &["FLUSHALL"]).await;
    // At once, so that the store must be told what the replica knows.
    assert!(list.revoke_user(&session.user, now()).await.unwrap() > epoch);
    until("an alarm is raised", || list.health().alarms == 1).await;
    recovered(&list).await;
    assert!(is_refused(&list, &session.access_token()));
    let other = open_loaded(at(&server)).await;
    assert!(is_refused(&other, &session.access_token()));
    command(&server, &["FLUSHALL"]).await;
    until("a second alarm is raised", || list.health().alarms == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_snapshot_takes_nothing_back() {
    let mut server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let early = Session::open(&list, "ann").await;
    list.revoke_token(&early.user, &early.access, now()).await.unwrap();
    let reader = open_loaded(at(&server)).await;
    let late = Session::open(&list, "ann").await;
    server.kill().await;
    let snapshot = server.save_data();
    server.run().await;
    recovered(&list).await;
    recovered(&reader).await;
    list.revoke_token(&late.user, &late.access, now()).await.unwrap();
    let epoch = list.revoke_user(&user("bob"), now()).await.unwrap();
    until("the other knows", || reader.health().entries == 3).await;

    server.kill().await;
    server.lose_data();
    server.restore_data(&snapshot);
    server.run().await;
    for list in [&list, &reader] {
        until("an alarm is raised", || list.health().alarms == 1).await;
        recovered(list).await;
        assert!(is_refused(list, &early.access_token()) && is_refused(list, &late.access_token()));
    }
    // The old snapshot has the family alive; whoever knows better says so.
    assert!(matches!(
        reader.rotate(late.rotation(GRACE)).await.unwrap(),
        Rotated::Refused(_)
    ));
    until("it is written back", || {
        list.stats().written_back + reader.stats().written_back >= 2
    })
    .await;
    let other = open_loaded(at(&server)).await;
    assert!(is_refused(&other, &late.access_token()));
    assert!(matches!(
        other.store().rotate(&late.rotation(GRACE), 0).await.unwrap(),
        Rotated::Refused(_)
    ));
    assert_eq!(Session::open(&other, "bob").await.epoch, epoch);
}

/// A session that was revoked through this list.
async fn revoked(list: &Denylist) -> Session {
    let session = Session::open(list, "ann").await;
    list.revoke_token(&session.user, &session.access, now()).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_in_the_feed_is_closed_by_loading_everything() {
    let server = RedisServer::start().await;
    let wire = Wire::to(server.port()).await;
    let writer = open_loaded(at(&server)).await;
    let reader = open_loaded(with_resync(wire.url(), Duration::from_secs(3600))).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(revoked(&writer).await);
    }
    until("the feed works", || reader.health().entries == 2).await;
    wire.cut();
    until("it is noticed", || reader.health().degraded).await;
    for _ in 0..5 {
        sessions.push(revoked(&writer).await);
    }
    command(&server, &["XTRIM", "{gateward}:feed", "MAXLEN", "2"]).await;
    assert_eq!(reader.health().entries, 2);
    wire.mend();
    recovered(&reader).await;
    assert!(
        sessions
            .iter()
            .all(|session| is_refused(&reader, &session.access_token()))
    );
    assert_eq!((reader.stats().gaps, reader.health().alarms), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_break_is_made_up_by_the_feed() {
    let server = RedisServer::start().await;
    let wire = Wire::to(server.port()).await;
    let writer = open_loaded(at(&server)).await;
    let reader = open_loaded(with_resync(wire.url(), Duration::from_secs(3600))).await;
    let session = Session::open(&writer, "ann").await;
    wire.cut();
    until("it is noticed", || reader.health().degraded).await;
    writer.revoke_user(&session.user, now()).await.unwrap();
    assert!(!is_refused(&reader, &session.access_token()));
    wire.mend();
    recovered(&reader).await;
    // Not later: up to date means that everything is known.
    assert!(is_refused(&reader, &session.access_token()));
    assert_eq!(reader.stats().gaps, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_feed_did_not_say_is_found_by_comparing() {
    let server = RedisServer::start().await;
    let list = open_loaded(with_resync(server.url(), Duration::from_millis(50))).await;
    let id = foreign_id();
    let expires_at = now().plus(900).to_string();
    let entry = format!("t\tann\t{id}");
    command(&server, &["ZADD", "{gateward}:revoked", &expires_at, &entry]).await;
    let token = verified(&user("ann"), &id, None, now());
    until("it is found", || is_refused(&list, &token)).await;
    assert_eq!(list.health().alarms, 0);
    // And the other way round: what somebody took out of Redis.
    command(&server, &["ZREM", "{gateward}:revoked", &entry]).await;
    until("it is written back", || list.stats().written_back == 1).await;
    assert_eq!(list.health().alarms, 1);
    assert!(is_refused(&list, &token) && is_refused(&open_loaded(at(&server)).await, &token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_is_noticed_and_no_operation_waits_for_it() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let (session, dead) = (Session::open(&list, "ann").await, Session::open(&list, "ann").await);
    list.revoke_token(&dead.user, &dead.access, now()).await.unwrap();
    server.hang().await;
    let began = Instant::now();
    let rotation = session.rotation(GRACE);
    let proposed = rotation.successor.clone();
    let error = list.rotate(rotation).await.unwrap_err();
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "in flight for {:?}",
        began.elapsed()
    );
    assert_eq!(
        error,
        StoreError::Unavailable {
            reason: Trouble::Timeout
        }
    );
    assert!(unknown_since(&list).is_some());
    for _ in 0..100 {
        refuses_at_once(&list).await;
    }
    assert!(is_refused(&list, &dead.access_token()));
    // It stays noticed while attempts to connect hang.
    until("the age shows", || {
        list.health().age.is_some_and(|age| age > Duration::from_millis(2500))
    })
    .await;
    assert_eq!(list.health().reason, Some(Trouble::Timeout));
    refuses_at_once(&list).await;
    server.go_on().await;
    recovered(&list).await;
    // What was sent before may have been done late; the client gets that pair, or a new one, but is not thrown out.
    match list.rotate(session.rotation(GRACE)).await.unwrap() {
        Rotated::Replayed(pair, _) => assert_eq!(pair, proposed),
        Rotated::Fresh(_) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_whose_answer_got_lost_is_told_when_it_is_asked_for_again() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let first = Adopt {
        grace: Duration::ZERO,
        ..adopt(&foreign("ann"))
    };
    let again = Adopt {
        pair: successor(&first.family),
        ..first.clone()
    };
    server.hang().await;
    let lost = StoreError::Unavailable {
        reason: Trouble::Timeout,
    };
    assert_eq!(list.adopt(&first, now()).await, Err(lost));
    server.go_on().await;
    recovered(&list).await;
    // The first one may be done late, or not at all; in any case there is one pair, and whoever asks gets it.
    let told = list.adopt(&again, now()).await.unwrap();
    let pairs = [&first, &again].map(|adoption| Adoption::Done(adoption.pair.clone(), 0));
    assert!(pairs.contains(&told), "{told:?}");
    assert_eq!(list.adopt(&first, now()).await.unwrap(), told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_without_operations_is_noticed_within_a_second() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    server.hang().await;
    let took = until("it is noticed", || list.health().degraded).await;
    assert!(took < Duration::from_millis(1200), "noticed after {took:?}");
    assert!(unknown_since(&list).is_some());
    server.go_on().await;
    recovered(&list).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_that_accepts_and_never_answers_does_not_hold_up_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://:secret@{}", listener.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            streams.push(listener.accept().await.unwrap());
        }
    });
    let began = Instant::now();
    let list = open_only(Options::Redis(RedisOptions::new(url))).await;
    assert!(began.elapsed() < AT_ONCE);
    until("the reason is told", || list.health().reason == Some(Trouble::Timeout)).await;
    assert_eq!(unknown_since(&list), None);
    refuses_at_once(&list).await;
    held.abort();
}

/// Answers every command with the same error.
async fn refusing_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    // Each command begins with a line that counts its words.
                    let commands = buffer[..read]
                        .split(|&byte| byte == b'\n')
                        .filter(|line| line.starts_with(b"*"));
                    let answers = format!("-{answer}\r\n").repeat(commands.count());
                    if stream.write_all(answers.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_own_reason() {
    for (answer, reason) in [
        ("LOADING Redis is loading the dataset in memory", Trouble::Loading),
        ("CLUSTERDOWN The cluster is down", Trouble::ClusterDown),
        ("NOAUTH Authentication required.", Trouble::Auth),
        ("NOPERM this user has no permissions", Trouble::Permission),
        ("BUSY Redis is busy running a script", Trouble::Busy),
        ("MISCONF Redis is configured to save RDB snapshots", Trouble::Disk),
        ("ERR something else", Trouble::Refused),
    ] {
        let list = open_only(Options::Redis(RedisOptions::new(refusing_server(answer).await))).await;
        until(answer, || list.health().reason == Some(reason)).await;
        assert!(!list.health().loaded);
        assert_eq!(refuses_at_once(&list).await, reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_refuses_writes_degrades_the_list_until_it_takes_them_again() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let mut session = Session::open(&list, "ann").await;
    for (setting, reason) in [
        ("maxmemory", Trouble::OutOfMemory),
        ("min-replicas-to-write", Trouble::Disk),
    ] {
        command(&server, &["CONFIG", "SET", setting, "1"]).await;
        until("the reason is told", || list.health().reason == Some(reason)).await;
        assert_eq!(refuses_at_once(&list).await, reason);
        assert!(unknown_since(&list).is_some());
        command(&server, &["CONFIG", "SET", setting, "0"]).await;
        recovered(&list).await;
        session = session.refreshed(&list, GRACE).await;
    }
    // Nobody listens on port 1.
    command(&server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    until("the reason is told", || list.health().reason == Some(Trouble::ReadOnly)).await;
    refuses_at_once(&list).await;
    command(&server, &["REPLICAOF", "NO", "ONE"]).await;
    recovered(&list).await;
    assert_eq!(list.health().alarms, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_that_somebody_took_off_the_list_stays_ended() {
    let server = RedisServer::start().await;
    let list = open_loaded(with_resync(server.url(), Duration::from_secs(3600))).await;
    let session = Session::open(&list, "ann").await;
    list.revoke_token(&session.user, &session.access, now()).await.unwrap();
    command(&server, &["DEL", "{gateward}:revoked"]).await;
    let answer = list.store().rotate(&session.rotation(GRACE), 0).await.unwrap();
    assert_eq!(answer, Rotated::Refused(crate::Refused::Revoked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let session = Session::open(&list, "ann").await;
    command(&server, &["SCRIPT", "FLUSH"]).await;
    let session = session.refreshed(&list, GRACE).await;
    command(&server, &["SCRIPT", "FLUSH"]).await;
    list.revoke_user(&session.user, now()).await.unwrap();
    assert_eq!(list.stats().outages, 0);
}

/// How often Redis was asked so, by anybody.
async fn calls(server: &RedisServer, name: &str) -> u64 {
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut direct(server).await)
        .await
        .unwrap();
    let start = format!("cmdstat_{name}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_is_loaded_in_pages_and_the_feed_is_read_in_between() {
    const ENTRIES: usize = 1000;
    const PAGE: usize = 100;
    let server = RedisServer::start().await;
    let mut commands = redis::cmd("ZADD");
    commands.arg("{gateward}:revoked");
    for number in 0..ENTRIES {
        commands.arg(now().plus(900).0).arg(format!("t\tann\t{number:021}"));
    }
    commands.exec_async(&mut direct(&server).await).await.unwrap();
    let mut options = RedisOptions::new(server.url());
    options.resync_every = Duration::from_millis(1);
    options.page = PAGE;
    let list = open_loaded(Options::Redis(options)).await;
    assert_eq!(list.health().entries, ENTRIES);
    until("it was compared a few times", || list.stats().resyncs > 3).await;
    let compared = list.stats().resyncs;
    list.close().await;
    // Each page has a look at the feed, so that however long the list is, nobody waits for what is new in it.
    let (pages, looks) = (calls(&server, "zscan").await, calls(&server, "xread").await);
    assert!(
        pages >= compared * (ENTRIES / PAGE / 2) as u64,
        "{pages} pages for {compared} times the list"
    );
    assert!(looks >= pages, "{looks} looks at the feed, {pages} pages");
    assert_eq!((list.health().entries, list.health().alarms), (ENTRIES, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_ours_is_in_one_slot_and_ends_by_itself() {
    let server = RedisServer::start().await;
    let list = open_loaded(at(&server)).await;
    let session = Session::open(&list, "{ann}").await.refreshed(&list, GRACE).await;
    list.revoke_token(&session.user, &session.access, now()).await.unwrap();
    list.revoke_user(&session.user, now()).await.unwrap();
    list.claim_adoption(&claim(&foreign("bob"), "a")).await.unwrap();
    list.adopt(&adopt(&foreign("bob")), now()).await.unwrap();
    let mut connection = direct(&server).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 8, "{keys:?}");
    let mut slots = std::collections::HashSet::new();
    for key in &keys {
        assert!(key.starts_with("{gateward}:"), "{key}");
        let ttl: i64 = redis::cmd("TTL").arg(key).query_async(&mut connection).await.unwrap();
        let lasting = ["{gateward}:revoked", "{gateward}:feed", "{gateward}:generation"].contains(&key.as_str());
        assert_eq!(ttl < 0, lasting, "{key}");
        slots.insert(key.split('}').next().unwrap().to_owned());
    }
    assert_eq!(slots.len(), 1);
}
