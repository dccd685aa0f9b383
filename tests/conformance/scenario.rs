//! The recordings as data (`exchanges/README.md`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// A recorded file.
#[derive(Debug, Deserialize)]
pub(crate) struct Scenario {
    pub name: String,
    #[serde(default)]
    pub needs: BTreeMap<String, String>,
    /// `own`: every request of the file comes from one address that nothing else uses.
    #[serde(default)]
    pub client: Option<String>,
    pub steps: Vec<Step>,
}

/// One step; which of the optional parts it has says what kind of step it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub name: String,
    #[serde(default)]
    pub request: Option<Request>,
    /// Kept as a tree: it may hold expressions anywhere, and `ours` replaces its keys.
    #[serde(default)]
    pub expect: Option<Value>,
    #[serde(default)]
    pub capture: BTreeMap<String, String>,
    #[serde(default)]
    pub unordered: bool,
    #[serde(default)]
    pub ours: Option<Ours>,
    /// An access or refresh token to look into.
    #[serde(default)]
    pub claims: Option<String>,
    #[serde(default)]
    pub wait: Option<String>,
    #[serde(default)]
    pub stream: Option<OpenStream>,
    #[serde(default)]
    pub stream_expect: Option<StreamExpect>,
    #[serde(default)]
    pub stream_close: Option<String>,
}

/// What is sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub auth: Option<Auth>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "present")]
    pub json: Option<Value>,
    #[serde(default)]
    pub text: Option<String>,
}

/// `json: null` is a body too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Who sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Auth {
    #[serde(default)]
    pub basic: Option<[String; 2]>,
    #[serde(default)]
    pub bearer: Option<String>,
}

/// Where we differ on purpose.
#[derive(Debug, Deserialize)]
pub(crate) struct Ours {
    #[serde(default)]
    pub expect: Option<Value>,
    #[serde(default)]
    pub may_add: bool,
    #[serde(default)]
    pub skip: Option<String>,
}

/// Opens an event stream.
#[derive(Debug, Deserialize)]
pub(crate) struct OpenStream {
    #[serde(rename = "as")]
    pub name: String,
    pub path: String,
    #[serde(default)]
    pub auth: Option<Auth>,
}

/// What comes on an event stream.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamExpect {
    pub stream: String,
    #[serde(default)]
    pub within: Option<String>,
    #[serde(default)]
    pub head: Option<Value>,
    #[serde(default)]
    pub frames: Vec<Value>,
    #[serde(default)]
    pub quiet: Option<String>,
}

/// All recordings of a folder, by name.
pub(crate) fn load_all(folder: &Path) -> Vec<Scenario> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("exchanges")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no recordings in {}", folder.display());
    let load = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("read");
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(load).collect()
}
