//! Which requests do two patterns share, and who gets them?

use gateward_auth::{Need, Requirement};

use crate::path::RouterTwin;
use crate::pattern::{Segment, spell};
use crate::read::Draft;
use crate::router::Leaf;
use gateward_document::Report;

/// How two patterns of one method stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// No request matches both.
    None,
    /// The same requests match both.
    Same,
    /// The first one wins where both match.
    First,
    /// The second one wins where both match.
    Second,
    /// Each is more specific than the other somewhere.
    Crossing,
}

/// Compares two patterns, prefix included.
pub(super) fn overlap(twin: RouterTwin, first: &[Segment], second: &[Segment]) -> Overlap {
    let mut so_far = Overlap::Same;
    let (mut left, mut right) = (first.iter(), second.iter());
    loop {
        let now = match (left.next(), right.next()) {
            (None, None) => return so_far,
            (None, Some(_)) | (Some(_), None) => return Overlap::None,
            (Some(Segment::Literal(a)), Some(Segment::Literal(b))) if !twin.same(a, b) => return Overlap::None,
            (Some(a), Some(b)) => a.rank().cmp(&b.rank()),
        };
        so_far = match (so_far, now) {
            (so_far, std::cmp::Ordering::Equal) => so_far,
            (Overlap::Same | Overlap::First, std::cmp::Ordering::Greater) => Overlap::First,
            (Overlap::Same | Overlap::Second, std::cmp::Ordering::Less) => Overlap::Second,
            _ => Overlap::Crossing,
        };
        // A rest swallows whatever the other one still has: at least one segment, and it has had that.
        let rests = |segment: Option<&Segment>| matches!(segment, Some(Segment::Rest(_)));
        let place = first.len() - left.len() - 1;
        if rests(first.get(place)) || rests(second.get(place)) {
            return swallow(so_far, left.as_slice(), right.as_slice());
        }
    }
}

/// What is left of one pattern behind the rest of the other. Both cannot have something left.
fn swallow(so_far: Overlap, left: &[Segment], right: &[Segment]) -> Overlap {
    let longer = match (left.is_empty(), right.is_empty()) {
        (true, true) => return so_far,
        (false, _) => Overlap::First,
        (true, false) => Overlap::Second,
    };
    if so_far == Overlap::Same || so_far == longer {
        longer
    } else {
        Overlap::Crossing
    }
}

/// Reports patterns that tie, that cross, and routes that shadow a stricter one.
pub(super) fn check(draft: &Draft, requirements: &[Option<Requirement>], leaves: &[Leaf], report: &mut Report<'_>) {
    let mut told: Vec<(usize, usize, &str)> = Vec::new();
    for (place, first) in leaves.iter().enumerate() {
        for second in leaves
            .iter()
            .skip(place + 1)
            .filter(|second| second.method == first.method)
        {
            let found = match overlap(draft.twin, &first.client, &second.client) {
                Overlap::None => None,
                Overlap::Same => Some((second, first, "tie")),
                Overlap::Crossing if first.route == second.route => None,
                Overlap::Crossing => Some((second, first, "cross")),
                Overlap::First => shadows(draft, requirements, first, second).then_some((first, second, "shadow")),
                Overlap::Second => shadows(draft, requirements, second, first).then_some((second, first, "shadow")),
            };
            let Some((at_fault, other, what)) = found else { continue };
            let key = (at_fault.route, other.route, what);
            if !told.contains(&key) {
                told.push(key);
                tell(draft, at_fault, other, what, report);
            }
        }
    }
}

fn tell(draft: &Draft, at_fault: &Leaf, other: &Leaf, what: &str, report: &mut Report<'_>) {
    let (Some(route), Some(rival)) = (draft.routes.get(at_fault.route), draft.routes.get(other.route)) else {
        return;
    };
    let (mine, theirs) = (shown(at_fault), shown(other));
    let (id, rival_id) = (&route.id, &rival.id);
    let message = match what {
        "tie" if id == rival_id => format!("{mine} is listed twice"),
        "tie" => format!("{id} and {rival_id} tie: {mine} and {theirs} match the same requests"),
        "cross" => format!("{id} and {rival_id} overlap, and neither is more specific: {mine} and {theirs}"),
        _ => format!(
            "{id} shadows the stricter {rival_id}: {mine} takes requests away from {theirs} (if it should, say overrides: [ {rival_id} ])"
        ),
    };
    report.error(route.at, &format!("{}.match", route.key), message);
}

fn shown(leaf: &Leaf) -> String {
    let path = spell(&leaf.client);
    format!("{} {}", leaf.method, if path.is_empty() { "/" } else { &path })
}

/// Whether the route that wins lets somebody in whom the other one would refuse.
fn shadows(draft: &Draft, requirements: &[Option<Requirement>], winner: &Leaf, loser: &Leaf) -> bool {
    let (Some(winning), Some(losing)) = (draft.routes.get(winner.route), draft.routes.get(loser.route)) else {
        return false;
    };
    let needs = |leaf: &Leaf| requirements.get(leaf.route).and_then(Option::as_ref);
    winner.route != loser.route
        && is_weaker(needs(winner), needs(loser))
        && !winning.overrides.iter().any(|id| id.value == losing.id)
}

fn is_weaker(one: Option<&Requirement>, other: Option<&Requirement>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return one.is_none() && other.is_some();
    };
    let more_kinds = (one.accepts.basic && !other.accepts.basic) || (one.accepts.jwt && !other.accepts.jwt);
    let less_needed = match (&one.need, &other.need) {
        (Need::Nothing, Need::Scope { .. }) => true,
        (Need::Nothing | Need::Scope { .. }, Need::Nothing) => false,
        (
            Need::Scope { scope, exact, .. },
            Need::Scope {
                scope: wanted,
                exact: exactly,
                ..
            },
        ) => scope == wanted && !exact && *exactly,
    };
    more_kinds || less_needed
}

/// A `{*rest}` of which nothing is left: the same place has a `{name}` and a `{name}/{*rest}`, or a literal chain of
/// them. Every other pattern has a request of its own.
pub(super) fn unreachable(draft: &Draft, leaves: &[Leaf], report: &mut Report<'_>) {
    for leaf in leaves {
        let Some((Segment::Rest(_), stem)) = leaf.client.split_last() else {
            continue;
        };
        let rivals: Vec<&Leaf> = leaves.iter().filter(|rival| rival.method == leaf.method).collect();
        let covering = covers(draft.twin, &rivals, stem);
        let Some(route) = draft.routes.get(leaf.route) else {
            continue;
        };
        if !covering.is_empty() {
            let ids: Vec<&str> = covering
                .iter()
                .filter_map(|rival| Some(draft.routes.get(rival.route)?.id.as_str()))
                .collect();
            let message = format!(
                "{} is never reached by {}: {} take all of its requests",
                route.id,
                shown(leaf),
                ids.join(" and ")
            );
            report.error(route.at, &format!("{}.match", route.key), message);
        }
    }
}

/// The leaves that together take everything below `stem`, without one that is just `stem/{*rest}`.
fn covers<'l>(twin: RouterTwin, rivals: &[&'l Leaf], stem: &[Segment]) -> Vec<&'l Leaf> {
    let below = [stem, &[Segment::Name("_".into())]].concat();
    let deeper = [below.as_slice(), &[Segment::Rest("_".into())]].concat();
    let find = |wanted: &[Segment]| {
        rivals
            .iter()
            .find(|rival| overlap(twin, &rival.client, wanted) == Overlap::Same)
    };
    let Some(end) = find(&below) else { return Vec::new() };
    if let Some(rest) = find(&deeper) {
        return vec![end, rest];
    }
    if below.len() >= crate::pattern::MAX_SEGMENTS {
        return Vec::new();
    }
    let mut more = covers(twin, rivals, &below);
    if !more.is_empty() {
        more.insert(0, end);
    }
    more
}
