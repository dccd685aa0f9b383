#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::os::unix::fs::symlink;

use super::*;

fn file(folder: &Path, contents: &str, mode: u32) -> PathBuf {
    let path = folder.join(random::hexadecimal::<4>());
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn one_newline_at_the_end_is_not_part_of_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    for (contents, secret) in [
        ("abc", "abc"),
        ("abc\n", "abc"),
        ("abc\r\n", "abc"),
        ("abc\n\n", "abc\n"),
        (" abc \n", " abc "),
        ("abc\r", "abc\r"),
        ("\n", ""),
        ("", ""),
    ] {
        let read = read(&file(folder.path(), contents, 0o600)).unwrap();
        assert_eq!(read.as_bytes(), secret.as_bytes(), "{contents:?}");
    }
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o660, 0o777] {
        let path = file(folder.path(), "hunter2hunter2", mode);
        let error = read(&path).unwrap_err();
        assert!(matches!(error, SecretError::Exposed(..)), "{mode:o} {error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("(mode {mode:04o})")) && !text.contains("hunter2"),
            "{text}"
        );
        assert!(check_private(&path).is_err());
    }
    for mode in [0o600, 0o400, 0o700] {
        assert!(read(&file(folder.path(), "x", mode)).is_ok(), "{mode:o}");
    }
}

#[test]
fn the_mode_that_counts_is_that_of_the_file_a_link_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink(file(folder.path(), "x", 0o600), &link).unwrap();
    assert!(read(&link).is_ok());
    fs::remove_file(&link).unwrap();
    symlink(file(folder.path(), "x", 0o644), &link).unwrap();
    assert!(matches!(read(&link), Err(SecretError::Exposed(..))));
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read(folder.path()), Err(SecretError::NotAFile(_))));
    assert!(matches!(read(Path::new("/dev/null")), Err(SecretError::NotAFile(_))));
    let missing = read(&folder.path().join("missing")).unwrap_err().to_string();
    assert!(missing.ends_with("missing: no such file or directory"), "{missing}");
}

#[test]
fn a_file_too_long_for_a_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&file(folder.path(), &"x".repeat(64 * 1024), 0o600)).is_ok());
    let long = file(folder.path(), &"x".repeat(64 * 1024 + 1), 0o600);
    assert!(matches!(read(&long), Err(SecretError::TooLong(_))));
}

#[test]
fn a_made_secret_is_private_and_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/secrets/tokens");
    let first = read_or_create(&path).unwrap();
    assert_eq!(first.as_bytes().len(), 64);
    assert_eq!(read_or_create(&path).unwrap().as_bytes(), first.as_bytes());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no draft stays behind"
    );
}

#[test]
fn a_secret_that_is_there_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "first\n", 0o600);
    create(&path, b"second").unwrap();
    assert_eq!(read(&path).unwrap().as_bytes(), b"first");
}

#[test]
fn processes_that_start_at_once_agree_on_one_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let secrets: Vec<Sealed> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| read_or_create(&path).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let first = secrets.first().unwrap();
    assert!(secrets.iter().all(|secret| secret.as_bytes() == first.as_bytes()));
}

#[test]
fn a_sealed_secret_is_not_shown() {
    assert_eq!(
        format!("{:?} {:#?}", Sealed::new("hunter2"), Some(Sealed::new("hunter2"))),
        "[secret] Some(\n    [secret],\n)"
    );
}

#[test]
fn secrets_that_everybody_knows_are_recognised() {
    for known in [
        "changeme",
        "ChangeMe-ChangeMe-ChangeMe-ChangeMe",
        "change-me-to-a-long-random-string-please",
        "replace-me-with-32-random-bytes-or-more",
        "your-256-bit-secret-your-256-bit-secret",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0",
    ] {
        assert!(is_example(known.as_bytes()), "{known}");
    }
    for own in [
        "",
        "0123456789abcdef0123456789abcdef",
        "ab",
        "correct horse battery staple changeme",
    ] {
        assert!(!is_example(own.as_bytes()), "{own}");
    }
    if is_example(random::hexadecimal::<32>().as_bytes()) {
        panic!("a random secret is taken for an example");
    }
}
