//! Who is asking, and may they? Every decision about credentials, tokens and scopes is made here, from data alone.
//!
//! Read in this order: [`credential`] takes the header apart, `verify` turns a bearer value into a [`VerifiedToken`],
//! `evidence` is what a shell gathered about the caller, `requirement` is what a route asks for, and `decide` puts the two
//! together. Only [`decide()`] can make a [`Grant`], and nothing is forwarded without one. `mint` signs the tokens that
//! we hand out.
//!
//! This crate refuses to know the time (it is an argument), any input or output, any HTTP status, and YAML.

mod claims;
pub mod credential;
mod decide;
mod denial;
mod evidence;
mod ids;
mod keys;
mod mint;
mod requirement;
mod scope;
mod secret;
mod token_error;
mod verify;

mod header;

pub use claims::VerifiedToken;
pub use credential::{Credential, CredentialError, Login};
pub use decide::{CredentialKind, Grant, decide};
pub use denial::Denial;
pub use evidence::{Evidence, RevokedBy, Standing};
pub use ids::{FamilyId, IdError, TokenId, UnixSeconds, UserId, upper_name, whole_seconds};
pub use keys::{Hs256Key, KeyError};
pub use mint::{AccessClaims, MintedClaims, RefreshClaims, Signer};
pub use requirement::{Accepts, Need, OnOutage, Requirement};
pub use scope::{ALL_ANY, Scope, ScopeError, TOKENS_REFRESH};
pub use secret::Secret;
pub use token_error::{Claim, TokenError};
pub use verify::{Verifier, VerifierRules};
