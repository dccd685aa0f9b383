//! How does a request to a token endpoint become a call, and its outcome an answer?
//!
//! Reads the body and the path for `endpoints`, which know no session. Judges nothing itself.

use bytes::Bytes;
use gateward_auth::{Accepts, Credential, Grant, UnixSeconds, UserId, credential};
use gateward_contract::headers::JSON;
use gateward_policy::Action;
use http::header;
use pingora::proxy::Session;

use super::arrival;
use super::passage::{Passage, circumstances};
use crate::authenticate::NotSettled;
use crate::body;
use crate::context::{Context, Pass, Terms};
use crate::endpoints::EndpointAnswer;
use crate::gate::{Authorization, Refused};
use crate::observe::Edition;
use crate::reply::{Answer, Refusal, delivery};

impl Passage {
    /// A token endpoint's answer.
    pub(super) async fn serve(
        &self,
        session: &mut Session,
        context: &mut Context,
        edition: &Edition,
        pass: Pass,
        now: UnixSeconds,
    ) -> pingora::Result<bool> {
        let request = match self.token_request(session, context, edition, pass, now).await {
            Ok(request) => request,
            Err(Refused { refusal, terms }) => {
                context.stage.refuse(terms.map(|terms| terms.id), refusal);
                return self.answer_refusal(session, context).await;
            }
        };
        let TokenRequest { pass, body, epoch, now } = request;
        let Pass { terms, path, grant, .. } = pass;
        let served = match &grant {
            None => Err(Refusal::Internal("token_endpoint_without_requirement")),
            Some(grant) => {
                let call = Call {
                    terms: &terms,
                    grant,
                    jti: path.param("jti").map(|jti| jti.into_owned()),
                    body,
                    accepts: context.notes.accepts,
                    epoch,
                    now,
                };
                self.call(session, edition, &call).await
            }
        };
        let answer = match served {
            Ok(answer) => answer,
            Err(refusal) => {
                context.stage.refuse(Some(terms.id), refusal);
                return self.answer_refusal(session, context).await;
            }
        };
        context.stage.serve(terms.id, answer.token);
        let about = circumstances(context);
        let answer = match answer.body {
            None => Answer::empty(answer.status, &about),
            Some(body) => Answer::new(answer.status, JSON, body, &about).not_stored(),
        };
        delivery::send(session, answer, false).await?;
        Ok(true)
    }

    /// Reads the body where it counts, and then judges its sender again: a body may take its time, and a password or
    /// token that was good when its head came may have ended since.
    ///
    /// INVARIANT(no session across a revocation): what is issued rests on a judgement made after the last byte came. Held
    /// by `a_token_request_that_waits_with_its_body_gets_no_session_after_it`.
    async fn token_request(
        &self,
        session: &mut Session,
        context: &mut Context,
        edition: &Edition,
        pass: Pass,
        now: UnixSeconds,
    ) -> Result<TokenRequest, Refused> {
        if let (Action::TokenRefresh, Some(grant)) = (pass.terms.action, &pass.grant)
            && let Err(refusal) = self.settle(grant.user()).await
        {
            let terms = Some(Box::new(pass.terms));
            return Err(Refused { refusal, terms });
        }
        let (Action::TokenIssue, Some(grant)) = (pass.terms.action, &pass.grant) else {
            return Ok(TokenRequest {
                pass,
                body: Bytes::new(),
                epoch: 0,
                now,
            });
        };
        let limit = pass.terms.body_limit.unwrap_or(self.limits.body);
        let user = grant.user().clone();
        let body = body::collect(session, limit, self.timeouts.body).await;
        let settled = match body {
            Ok(body) => self.settle(&user).await.map(|()| body),
            Err(refusal) => Err(refusal),
        };
        let body = match settled {
            Ok(body) => body,
            Err(refusal) => {
                let terms = Some(Box::new(pass.terms));
                return Err(Refused { refusal, terms });
            }
        };
        let now = UnixSeconds(self.clock.unix_seconds());
        let epoch = self.endpoints.epoch(&user);
        let pass = self.judge(session, edition, context, now).await?;
        Ok(TokenRequest { pass, body, epoch, now })
    }

    /// No token is made of a user whose older ones end in the store later than they do here.
    async fn settle(&self, user: &UserId) -> Result<(), Refusal> {
        let settled = self.gate.authenticator().settle(user).await;
        settled.map_err(|NotSettled| Refusal::Outage("revocation_pending"))
    }

    async fn call(&self, session: &Session, edition: &Edition, call: &Call<'_>) -> Result<EndpointAnswer, Refusal> {
        let policy = &edition.policy;
        let answer = match call.terms.action {
            Action::TokenIssue => {
                let content_type = session.req_header().headers.get(header::CONTENT_TYPE);
                let content_type = content_type.and_then(|value| value.to_str().ok());
                self.endpoints
                    .issue(policy, call.grant, content_type, &call.body, call.epoch, call.now)
                    .await
            }
            Action::TokenRefresh => {
                let head = arrival::head(session.req_header());
                let raw = match head.authorization {
                    Authorization::One(value) => credential::parse(Some(value)).ok(),
                    Authorization::Absent | Authorization::Repeated => None,
                };
                let Some(Credential::Bearer(raw)) = raw else {
                    return Err(Refusal::Internal("refresh_without_token"));
                };
                self.endpoints.refresh(policy, call.grant, raw, call.now).await
            }
            Action::TokenRevoke => {
                let jti = call.jti.as_deref().ok_or(Refusal::Internal("revoke_without_id"))?;
                self.endpoints.revoke(call.grant, jti, call.now).await
            }
            Action::Forward | Action::Passthrough => return Err(Refusal::Internal("not_a_token_endpoint")),
        };
        answer.map_err(|refusal| refusal.on_route(call.accepts))
    }
}

/// A request to a token endpoint, all of it read.
struct TokenRequest {
    pass: Pass,
    body: Bytes,
    /// What the user's epoch was before the last judgement.
    epoch: u64,
    now: UnixSeconds,
}

/// One call of a token endpoint.
struct Call<'a> {
    terms: &'a Terms,
    grant: &'a Grant,
    jti: Option<String>,
    body: Bytes,
    /// Which kinds of credential the route accepts.
    accepts: Accepts,
    epoch: u64,
    now: UnixSeconds,
}
