//! Who is asking, and may they? Every decision about credentials, tokens and scopes is made here, from data alone.
//!
//! Read in this order: [`credential`] takes the header apart, [`verify`] turns a bearer value into a
//! [`VerifiedToken`], [`evidence`] is what a shell gathered about the caller, [`requirement`] is what a route asks
//! for, and [`mod@decide`] puts the two together. Only [`decide::decide`] can make a [`Grant`], and nothing is forwarded
//! without one. [`mint`] signs the tokens that we hand out.
//!
//! This crate refuses to know the time (it is an argument), any input or output, any HTTP status, and YAML.

pub mod claims;
pub mod credential;
pub mod decide;
pub mod denial;
pub mod evidence;
pub mod ids;
pub mod keys;
pub mod mint;
pub mod requirement;
pub mod scope;
pub mod secret;
pub mod token_error;
pub mod verify;

mod header;

pub use claims::VerifiedToken;
pub use credential::{Credential, CredentialError, Login};
pub use decide::{CredentialKind, Grant, decide};
pub use denial::Denial;
pub use evidence::{Evidence, RevokedBy, Standing};
pub use ids::{FamilyId, IdError, TokenId, UnixSeconds, UserId};
pub use keys::{Hs256Key, KeyError};
pub use mint::{AccessClaims, MintedClaims, RefreshClaims, Signer};
pub use requirement::{Accepts, Need, OnOutage, Requirement};
pub use scope::{ALL_ANY, Scope, ScopeError, TOKENS_REFRESH};
pub use secret::Secret;
pub use token_error::{Claim, TokenError};
pub use verify::{Verifier, VerifierRules};
