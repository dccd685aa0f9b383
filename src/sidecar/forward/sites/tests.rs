#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn sites(hosts: &[&str], checked: bool) -> Sites {
    let url = |host: &&str| UpstreamUrl {
        tls: false,
        host: (*host).to_owned(),
        port: 3100,
        path: String::new(),
    };
    Sites::new(hosts.iter().map(url).collect(), checked)
}

fn host(sites: &Sites) -> String {
    sites.choose(0).unwrap().target.address.ip().to_string()
}

fn target(index: usize, ip: &str) -> Target {
    let address = SocketAddr::new(ip.parse().unwrap(), 3100);
    Target {
        index,
        address,
        is_trial: false,
    }
}

fn reachable(sites: &Sites) -> Vec<bool> {
    sites.report().map(|(_, reachable)| reachable).collect()
}

#[test]
fn requests_take_turns() {
    let sites = sites(&["10.0.0.1", "10.0.0.2"], false);
    let hosts: Vec<String> = (0..4).map(|_| host(&sites)).collect();
    assert_eq!(hosts, ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_failed_rests_while_another_is_there() {
    let sites = sites(&["10.0.0.1", "10.0.0.2"], false);
    sites.failed(target(0, "10.0.0.1"), &"away");
    assert_eq!(reachable(&sites), [false, true]);
    for _ in 0..4 {
        assert_eq!(host(&sites), "10.0.0.2");
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    sites.failed(target(1, "10.0.0.2"), &"away");
    assert_eq!(
        host(&sites),
        "10.0.0.1",
        "better a resting one than none: what failed longest ago"
    );
    sites.answered(target(0, "10.0.0.1"));
    assert_eq!(reachable(&sites), [true, false]);
    for _ in 0..4 {
        assert_eq!(host(&sites), "10.0.0.1");
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    let hosts: Vec<String> = (0..4).map(|_| host(&sites)).collect();
    assert_eq!(hosts.iter().filter(|host| *host == "10.0.0.2").count(), 1, "one tries");
}

#[tokio::test(start_paused = true)]
async fn what_is_checked_regularly_waits_for_the_next_check() {
    let sites = sites(&["10.0.0.1", "10.0.0.2"], true);
    sites.failed(target(0, "10.0.0.1"), &"away");
    tokio::time::advance(Duration::from_secs(3600)).await;
    sites.answered(target(0, "10.0.0.1"));
    for _ in 0..4 {
        assert_eq!(host(&sites), "10.0.0.2");
    }
    sites.checked(target(0, "10.0.0.1"), Ok::<(), String>(()));
    sites.checked(target(1, "10.0.0.2"), Err("503"));
    for _ in 0..4 {
        assert_eq!(host(&sites), "10.0.0.1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_want_of_something_here_is_not_the_gateways_fault_and_uses_no_trial_up() {
    use pingora::{Error, ErrorType};
    let sites = sites(&["10.0.0.1", "10.0.0.2"], false);
    // EMFILE
    let no_file = std::io::Error::from_raw_os_error(24);
    let no_file = Error::because(ErrorType::SocketError, "failed to create socket", no_file);
    assert!(sites.not_connected(target(0, "10.0.0.1"), &no_file));
    assert_eq!(reachable(&sites), [true, true]);
    let refused = std::io::ErrorKind::ConnectionRefused.into();
    let refused = Error::because::<_, std::io::Error>(ErrorType::ConnectRefused, "Fail to connect", refused);
    assert!(!sites.not_connected(target(0, "10.0.0.1"), &refused));
    assert_eq!(reachable(&sites), [false, true]);
    tokio::time::advance(Duration::from_secs(2)).await;
    let trial = || {
        (0..2)
            .map(|_| sites.choose(0).unwrap().target)
            .find(|target| target.is_trial)
    };
    let first = trial().unwrap();
    assert_eq!(trial(), None, "somebody tries already");
    assert!(sites.not_connected(first, &no_file));
    assert_eq!(trial(), Some(first), "somebody else may");
}

#[test]
fn a_dead_address_of_a_name_rests_alone_and_whatever_the_name_server_says_again() {
    let sites = sites(&["gateway.example"], false);
    let both = ["::1", "127.0.0.1"].map(|ip| target(0, ip).address);
    sites.sites[0].is_at(&both);
    assert_eq!((host(&sites).as_str(), sites.attempts()), ("::1", 2));
    sites.failed(target(0, "::1"), &"away");
    for _ in 0..4 {
        assert_eq!(host(&sites), "127.0.0.1");
        sites.answered(target(0, "127.0.0.1"));
        sites.sites[0].is_at(&both);
    }
    assert_eq!(reachable(&sites), [true]);
    sites.failed(target(0, "127.0.0.1"), &"away");
    assert_eq!(reachable(&sites), [false]);
}

#[tokio::test]
async fn a_name_without_an_address_is_no_choice_and_not_reachable() {
    let sites = sites(&["gateway.invalid"], false);
    assert_eq!(sites.look_up().await, Some(LOOK_UP_SOON));
    assert!(sites.choose(0).is_none());
    assert_eq!((reachable(&sites), sites.attempts()), (vec![false], 1));
}

#[tokio::test]
async fn names_are_looked_up() {
    let of_name = sites(&["localhost"], false);
    assert_eq!(of_name.look_up().await, Some(LOOK_UP_EVERY));
    assert!(of_name.choose(0).unwrap().target.address.ip().is_loopback());
    assert_eq!(sites(&["127.0.0.1"], false).look_up().await, None);
}
