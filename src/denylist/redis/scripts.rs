//! The steps that Redis takes as one: Lua scripts, sent by their hash. What each one does is said in its own file.

use redis::Script;

macro_rules! script {
    ($($file:literal),+) => {
        Script::new(concat!(include_str!("prelude.lua"), $(include_str!($file)),+))
    };
}

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) open_family: Script,
    pub(super) rotate: Script,
    pub(super) revoke_token: Script,
    pub(super) revoke_user: Script,
    pub(super) look_adoption: Script,
    pub(super) claim_adoption: Script,
    pub(super) adopt: Script,
    pub(super) release_adoption: Script,
    pub(super) write_back: Script,
    pub(super) purge: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            open_family: script!("open_family.lua"),
            rotate: script!("rotate.lua"),
            revoke_token: script!("revoke_token.lua"),
            revoke_user: script!("revoke_user.lua"),
            look_adoption: script!("adoption.lua", "look_adoption.lua"),
            claim_adoption: script!("adoption.lua", "claim_adoption.lua"),
            adopt: script!("adoption.lua", "adopt.lua"),
            release_adoption: script!("adoption.lua", "release_adoption.lua"),
            write_back: script!("write_back.lua"),
            purge: script!("purge.lua"),
        }
    }
}
