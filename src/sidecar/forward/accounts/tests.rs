#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gateward_auth::Secret;
use tempfile::TempDir;

use super::*;

/// A folder with an accounts file.
struct Told {
    folder: TempDir,
    account: Option<UpstreamAccount>,
}

impl Told {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = Self { folder, account: None };
        told.write("accounts.yaml", text, 0o600);
        told
    }

    /// With an account of the configuration, of everybody or of its own user only.
    fn and(self, user: &str, shared: bool) -> Self {
        let account = UpstreamAccount {
            user: user.to_owned(),
            password: Secret::new("of-config"),
            shared,
        };
        Self {
            account: Some(account),
            ..self
        }
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn basic(&self) -> UpstreamBasic {
        UpstreamBasic {
            account: self.account.clone(),
            accounts: Some(AccountsFile {
                path: self.folder.path().join("accounts.yaml"),
                directory: self.folder.path().to_owned(),
            }),
        }
    }

    fn load(&self, names: UserNames) -> Accounts {
        Accounts::load(Some(&self.basic()), names).unwrap()
    }

    /// The problems, as one reads them from the folder.
    fn problems(&self) -> Vec<String> {
        let problems = Accounts::load(Some(&self.basic()), UserNames::Upper).unwrap_err();
        let folder = format!("{}/", self.folder.path().display());
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }
}

/// Name and password at the gateway that stand for a user.
fn pair(accounts: &Accounts, user: &str) -> Option<String> {
    use base64::Engine as _;
    let value = accounts.of(&UserId::parse(user).unwrap())?;
    let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    let pair = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    Some(String::from_utf8(pair).unwrap())
}

const TWO: &str = "
accounts:
  - { name: ann, password: 'p:w' }
  - { name: bob, user: gateway-bob, password: 0123 }
";

#[test]
fn everybody_has_the_account_of_the_file_under_whatever_spelling_of_the_name() {
    let accounts = Told::new(TWO).load(UserNames::Upper);
    assert_eq!(pair(&accounts, "ANN").as_deref(), Some("ann:p:w"));
    assert_eq!(pair(&accounts, "BOB").as_deref(), Some("gateway-bob:0123"));
    assert_eq!(pair(&accounts, "EVE"), None);
    let accounts = Told::new(TWO).load(UserNames::AsWritten);
    assert_eq!((pair(&accounts, "ann").is_some(), pair(&accounts, "ANN")), (true, None));
}

#[test]
fn an_account_of_the_gateway_stands_for_its_own_user_only() {
    let configured = |user: &str, shared| {
        let told = Told::new("accounts: []\n").and(user, shared);
        let basic = UpstreamBasic {
            accounts: None,
            ..told.basic()
        };
        Accounts::load(Some(&basic), UserNames::Upper).unwrap()
    };
    let own = configured("sms", false);
    assert_eq!(pair(&own, "SMS").as_deref(), Some("sms:of-config"), "in whatever case");
    assert_eq!(pair(&own, "SOMEBODY"), None);
    let shared = configured("sms", true);
    assert_eq!(
        pair(&shared, "SOMEBODY").as_deref(),
        Some("sms:of-config"),
        "a users file"
    );
    assert_eq!(pair(&Accounts::default(), "SOMEBODY"), None);
}

#[test]
fn the_file_wins_over_the_configuration_which_is_for_everybody_else() {
    let accounts = Told::new(TWO).and("sms", true).load(UserNames::Upper);
    assert_eq!(pair(&accounts, "ANN").as_deref(), Some("ann:p:w"));
    assert_eq!(pair(&accounts, "EVE").as_deref(), Some("sms:of-config"));
    let accounts = Told::new(TWO).and("Ann", false).load(UserNames::Upper);
    assert_eq!(pair(&accounts, "ANN").as_deref(), Some("ann:p:w"));
    assert_eq!(pair(&accounts, "EVE"), None);
    let accounts = Told::new(TWO).and("eve", false).load(UserNames::Upper);
    assert_eq!(pair(&accounts, "EVE").as_deref(), Some("eve:of-config"));
}

#[test]
fn a_password_may_stand_in_a_file_of_its_own() {
    let told = Told::new("accounts: [ { name: ann, password_file: ann.txt } ]\n");
    told.write("ann.txt", "p w\r\n", 0o600);
    assert_eq!(pair(&told.load(UserNames::Upper), "ANN").as_deref(), Some("ann:p w"));
    let absolute = told.folder.path().join("ann.txt");
    let told = Told::new(&format!(
        "accounts: [ {{ name: ann, password_file: {} }} ]\n",
        absolute.display()
    ));
    assert_eq!(pair(&told.load(UserNames::Upper), "ANN").as_deref(), Some("ann:p w"));
}

#[test]
fn every_problem_is_told_with_its_place_and_no_password_is_shown() {
    let told = Told::new(
        "accounts:
  - { name: ann, password: hunter2, passwort: hunter2 }
  - { name: ANN, password: hunter2 }
  - { name: 'a:hunter2', password: hunter2 }
  - { name: 'a:b:c', user: fine, password: hunter2 }
  - { name: ' ', password: hunter2 }
  - { name: bob, user: 'b:hunter2', password: hunter2 }
  - { name: cid, user: \"c\\td\", password: hunter2 }
  - { password: hunter2 }
  - { name: dan }
  - { name: eve, password: '' }
  - { name: fay, password: [ hunter2 ] }
  - { name: gil, password: hunter2, password_file: gil.txt }
  - { name: hal, password_file: '' }
  - { name: ida, password_file: ida.txt }
  - { name: jon, password_file: open.txt }
  - { name: kim, password_file: empty.txt }
  - hunter2
",
    );
    told.write("open.txt", "hunter2", 0o644);
    told.write("empty.txt", "\n", 0o600);
    let name = "1 to 128 characters, no control characters";
    let login = "a name without a colon and without control characters";
    let keys = "name, user, password, password_file";
    let secret = "password, or password_file";
    assert_eq!(
        told.problems(),
        [
            format!("accounts.yaml:2:37: accounts[0]: unknown key: is password meant? (allowed: {keys})"),
            "accounts.yaml:3:13: accounts[1].name: \"ANN\" is the same user as in line 2 (allowed: every user once)"
                .to_owned(),
            "accounts.yaml:4:13: accounts[2].name: is no name at the gateway (allowed: no colon, or user: the \
             name at the gateway)"
                .to_owned(),
            format!("accounts.yaml:6:13: accounts[4].name: \" \": blank (allowed: {name})"),
            format!("accounts.yaml:7:24: accounts[5].user: is no name at the gateway (allowed: {login})"),
            format!("accounts.yaml:8:24: accounts[6].user: is no name at the gateway (allowed: {login})"),
            format!("accounts.yaml:9:5: accounts[7].name: missing (allowed: {name})"),
            format!("accounts.yaml:10:5: accounts[8].password: missing (allowed: {secret})"),
            "accounts.yaml:11:28: accounts[9].password: the secret is empty".to_owned(),
            "accounts.yaml:12:28: accounts[10].password: a text is needed, this is a list (allowed: a text)".to_owned(),
            format!(
                "accounts.yaml:13:37: accounts[11].password_file: given twice: as a value and as a file (allowed: {secret})"
            ),
            "accounts.yaml:14:33: accounts[12].password_file: not a file name (allowed: the path of a file)".to_owned(),
            "accounts.yaml:15:33: accounts[13].password_file: cannot read ida.txt: no such file or directory"
                .to_owned(),
            "accounts.yaml:16:33: accounts[14].password_file: open.txt can be read or written by others (mode 0644): \
             chmod 600 it"
                .to_owned(),
            "accounts.yaml:17:33: accounts[15].password_file: the secret is empty".to_owned(),
            format!("accounts.yaml:18:5: accounts[16]: a mapping is needed, this is a string (allowed: {keys})"),
        ]
    );
}

#[test]
fn a_file_that_is_no_accounts_file_is_refused() {
    for (text, problem) in [
        (
            "",
            "accounts.yaml:1:1: a mapping is needed, this is nothing (allowed: accounts)",
        ),
        ("users: []\n", "accounts.yaml:1:1: unknown key (allowed: accounts)"),
        (
            "accounts: ann\n",
            "accounts.yaml:1:11: accounts: a list is needed, this is a string (allowed: a list of accounts; [] for none)",
        ),
        (
            "accounts: [ { name: ann, password: !hunter2 } ]\n",
            "accounts.yaml:1:44: a tag (a word after !) is not supported",
        ),
    ] {
        let problems = Told::new(text).problems();
        assert_eq!(problems.first().map(String::as_str), Some(problem), "{problems:?}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let told = Told::new(TWO);
    told.write("accounts.yaml", TWO, 0o640);
    assert_eq!(
        told.problems(),
        ["accounts.yaml: accounts.yaml can be read or written by others (mode 0640): chmod 600 it"]
    );
}

#[test]
fn another_policy_may_take_two_names_for_one() {
    let text = "accounts: [ { name: ann, password: one }, { name: ANN, password: two } ]\n";
    let told = Told::new(text);
    let accounts = told.load(UserNames::AsWritten);
    assert_eq!(pair(&accounts, "ANN").as_deref(), Some("ANN:two"));
    let problem = accounts.under(UserNames::Upper).unwrap_err();
    assert_eq!(
        (
            Path::new(&problem.source),
            problem.key.as_str(),
            problem.message.as_str()
        ),
        (
            told.basic().accounts.unwrap().path.as_path(),
            "accounts",
            "\"ann\" and \"ANN\" are one user under the policy's user_names"
        )
    );
    let accounts = Told::new(TWO).and("eve", false).load(UserNames::AsWritten);
    let upper = accounts.under(UserNames::Upper).unwrap();
    assert_eq!(
        (pair(&upper, "ANN").is_some(), pair(&upper, "EVE").is_some()),
        (true, true)
    );
    assert_eq!(pair(&upper, "ann"), None);
}

#[test]
fn no_printable_form_shows_a_password() {
    let accounts = Told::new(TWO).and("sms", true).load(UserNames::Upper);
    let shown = format!("{accounts:?}");
    for secret in ["p:w", "0123", "of-config", "YW5uOnA6dw==", "c21zOm9mLWNvbmZpZw=="] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
