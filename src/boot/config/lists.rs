//! What must the items of a list look like?

use std::net::IpAddr;

use gateward_document::Diagnostic;
use ipnet::IpNet;

use super::lookup::{Found, Raw};
use super::values::shown;
use super::{Manner, Reader};

impl Reader<'_> {
    /// A list of whatever `parse` makes of each item; in a variable, items are separated by commas.
    pub fn list<T>(
        &mut self,
        key: &str,
        what: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.known.add(key, "");
        let items = self.items(key, allowed)?;
        let mut list = Vec::new();
        for item in items {
            match item.text().and_then(&parse) {
                Some(value) => list.push(value),
                None => {
                    let problem = item.problem(format!("not {what}: {}", shown(&item)));
                    self.problems.push(problem.allowed(allowed));
                }
            }
        }
        Some(list)
    }

    /// As [`Reader::list`], with items that may hold secrets, as in [`Reader::parsed_unseen`].
    pub fn list_unseen<T>(
        &mut self,
        key: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.known.add(key, "");
        let items = self.items(key, allowed)?;
        let mut list = Vec::new();
        for item in items {
            match item.text().map(&parse) {
                Some(Ok(value)) => list.push(value),
                Some(Err(message)) => self.problems.push(item.problem(message).allowed(allowed)),
                None => self
                    .problems
                    .push(item.problem(format!("not a string: {}", item.kind()))),
            }
        }
        Some(list)
    }

    /// A list of networks; an address is the network of itself alone. None where nothing is given.
    pub fn networks(&mut self, key: &str) -> Vec<IpNet> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network: IpNet = text.parse().ok().or_else(address)?;
            Some(network.trunc())
        };
        self.list(key, "a network", "addresses and networks such as 10.0.0.0/8", network)
            .unwrap_or_default()
    }

    fn items(&mut self, key: &str, allowed: &str) -> Option<Vec<Found>> {
        let found = self.find(key)?;
        let items = items(&found, self.manner);
        items
            .map_err(|problem| self.problems.push(problem.allowed(format!("a list of {allowed}"))))
            .ok()
    }
}

fn items(found: &Found, manner: Manner) -> Result<Vec<Found>, Diagnostic> {
    let split = |text: &str| {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| found.part(Raw::Variable(part.to_owned()))).collect()
    };
    match &found.raw {
        Raw::Variable(text) => Ok(split(text)),
        Raw::Node(node) => match (node.as_list(), node.as_str()) {
            (Some(nodes), _) => Ok(nodes.iter().map(|node| found.part(Raw::Node(node.clone()))).collect()),
            (None, Some(text)) if manner == Manner::Lenient => Ok(split(text)),
            _ => Err(found.problem(format!("not a list: {}", found.kind()))),
        },
    }
}
