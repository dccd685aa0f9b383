//! In which ways can a token be bad? A closed set: each way has a label for logs and metrics. Knows no answer to clients,
//! who learn none of this.

/// A claim, as the subject of a [`TokenError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim {
    /// `iss`
    Issuer,
    /// `sub`
    Subject,
    /// `exp`
    ExpiresAt,
    /// `iat`
    IssuedAt,
    /// `nbf`
    NotBefore,
    /// `jti`
    Id,
    /// `user_id`
    User,
    /// `scopes`
    Scopes,
    /// `original_scopes`
    OriginalScopes,
    /// `gw_fam`
    Family,
    /// `gw_epo`
    Epoch,
    /// `gw_mint`
    Mint,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.label())]
pub enum TokenError {
    /// More than 8 KiB.
    TooLong,
    /// Not three segments of strict base64url, or not JSON within: also a device's token sent to the wrong place.
    Malformed,
    /// A header with a member twice, or with a `typ` of something else.
    Header,
    /// `alg` is not exactly `HS256`.
    Algorithm,
    /// `crit`, `zip` or `b64` in the header: we implement no extension, so we must refuse (RFC 7515 §4.1.11).
    Extension,
    /// The signature is not the one of this key.
    Signature,
    /// The claims set has a name twice (RFC 7519 §4).
    DuplicateClaim,
    /// A required claim is absent.
    Missing(Claim),
    /// A claim has the wrong type or an impossible value.
    Invalid(Claim),
    /// `iss` is not the configured issuer.
    Issuer,
    /// `sub` and `user_id` name different users.
    SubjectMismatch,
    /// `nbf` is in the future.
    NotYetValid,
    /// `iat` is in the future.
    IssuedInFuture,
    /// `exp` is not in the future.
    Expired,
    /// An access token that lives longer than allowed.
    LifetimeExceedsCap,
    /// Minted for the gateway, and no business of the front door.
    Minted,
    /// Not minted by the sidecar, and no business of the gateway.
    NotMinted,
    /// A refresh token where any good token would do: it is good for refreshing only.
    RefreshOnly,
}

impl TokenError {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Header => "header_refused",
            Self::Algorithm => "algorithm_refused",
            Self::Extension => "header_extension_refused",
            Self::Signature => "signature_invalid",
            Self::DuplicateClaim => "claim_duplicate",
            Self::Missing(claim) => claim.missing_label(),
            Self::Invalid(claim) => claim.invalid_label(),
            Self::Issuer => "issuer_mismatch",
            Self::SubjectMismatch => "subject_mismatch",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::Expired => "expired",
            Self::LifetimeExceedsCap => "lifetime_exceeds_cap",
            Self::Minted => "minted_token",
            Self::NotMinted => "not_minted",
            Self::RefreshOnly => "refresh_only",
        }
    }
}

impl Claim {
    fn missing_label(self) -> &'static str {
        match self {
            Self::Issuer => "iss_missing",
            Self::Subject => "sub_missing",
            Self::ExpiresAt => "exp_missing",
            Self::IssuedAt => "iat_missing",
            Self::NotBefore => "nbf_missing",
            Self::Id => "jti_missing",
            Self::User => "user_missing",
            Self::Scopes => "scopes_missing",
            Self::OriginalScopes => "original_scopes_missing",
            Self::Family => "family_missing",
            Self::Epoch => "epoch_missing",
            Self::Mint => "mint_missing",
        }
    }

    fn invalid_label(self) -> &'static str {
        match self {
            Self::Issuer => "iss_invalid",
            Self::Subject => "sub_invalid",
            Self::ExpiresAt => "exp_invalid",
            Self::IssuedAt => "iat_invalid",
            Self::NotBefore => "nbf_invalid",
            Self::Id => "jti_invalid",
            Self::User => "user_invalid",
            Self::Scopes => "scopes_invalid",
            Self::OriginalScopes => "original_scopes_invalid",
            Self::Family => "family_invalid",
            Self::Epoch => "epoch_invalid",
            Self::Mint => "mint_invalid",
        }
    }
}
