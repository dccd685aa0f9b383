//! Which settings are there, what may they be, and who gets to see them (WIRE §3.11)? It is a table: it does nothing.

/// Settings that belong together.
#[derive(Debug)]
pub(super) struct Section {
    /// In JSON.
    pub(super) name: &'static str,
    /// In texts about broken rules.
    pub(super) field: &'static str,
    /// In texts about wrong types.
    pub(super) kind: &'static str,
    /// In the order in which they are checked.
    pub(super) settings: &'static [Setting],
}

/// One setting. All may be absent, or null: the phone's default.
#[derive(Debug)]
pub(super) struct Setting {
    /// In JSON.
    pub(super) name: &'static str,
    /// In texts about broken rules.
    pub(super) field: &'static str,
    pub(super) rule: Rule,
    pub(super) fate: Fate,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// An integer from 1.
    Positive,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A text. What has to be in it depends on other settings.
    Text,
    /// Nothing: only the phone itself sets it.
    Unset,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// Clients and phones see it.
    Shown,
    /// Phones see it.
    Secret,
    /// It is checked and forgotten.
    Dropped,
}

use Fate::{Dropped, Secret, Shown};
use Rule::{Flag, OneOf, Positive, Text, Unset};

/// All of them, in the order in which they are checked.
pub(super) const SECTIONS: [Section; 7] = [
    Section {
        name: "encryption",
        field: "Encryption",
        kind: "SettingsEncryption",
        settings: &[setting("passphrase", "Passphrase", Unset, Secret)],
    },
    Section {
        name: "messages",
        field: "Messages",
        kind: "SettingsMessages",
        settings: &[
            setting("send_interval_min", "SendIntervalMin", Positive, Shown),
            setting("send_interval_max", "SendIntervalMax", Positive, Shown),
            setting("limit_period", "LimitPeriod", OneOf(&PERIODS), Shown),
            setting("limit_value", "LimitValue", Positive, Shown),
            setting("sim_selection_mode", "SimSelectionMode", OneOf(&SIM_MODES), Shown),
            setting("log_lifetime_days", "LogLifetimeDays", Positive, Shown),
            setting("processing_order", "ProcessingOrder", OneOf(&["LIFO", "FIFO"]), Dropped),
            setting("work_hours_enabled", "WorkHoursEnabled", Flag, Shown),
            setting("work_hours_start", "WorkHoursStart", Text, Shown),
            setting("work_hours_end", "WorkHoursEnd", Text, Shown),
        ],
    },
    Section {
        name: "ping",
        field: "Ping",
        kind: "SettingsPing",
        settings: &[setting("interval_seconds", "IntervalSeconds", Positive, Shown)],
    },
    Section {
        name: "logs",
        field: "Logs",
        kind: "SettingsLogs",
        settings: &[setting("lifetime_days", "LifetimeDays", Positive, Shown)],
    },
    Section {
        name: "webhooks",
        field: "Webhooks",
        kind: "SettingsWebhooks",
        settings: &[
            setting("internet_required", "InternetRequired", Flag, Shown),
            setting("retry_count", "RetryCount", Positive, Shown),
            setting("signing_key", "SigningKey", Unset, Secret),
        ],
    },
    Section {
        name: "gateway",
        field: "Gateway",
        kind: "SettingsGateway",
        settings: &[
            setting("cloud_url", "CloudURL", Unset, Dropped),
            setting("private_token", "PrivateToken", Unset, Dropped),
            setting(
                "notification_channel",
                "NotificationChannel",
                OneOf(&["AUTO", "SSE_ONLY"]),
                Shown,
            ),
        ],
    },
    Section {
        name: "receiver",
        field: "Receiver",
        kind: "SettingsReceiver",
        settings: &[setting(
            "content_provider_enabled",
            "ContentProviderEnabled",
            Flag,
            Shown,
        )],
    },
];

const PERIODS: [&str; 5] = ["Disabled", "PerMinute", "Per30Minutes", "PerHour", "PerDay"];
const SIM_MODES: [&str; 3] = ["OSDefault", "RoundRobin", "Random"];

const fn setting(name: &'static str, field: &'static str, rule: Rule, fate: Fate) -> Setting {
    Setting {
        name,
        field,
        rule,
        fate,
    }
}
