//! What does a device send about itself (WIRE §4.1, §4.3)?

use gateward_contract::{Object, ParseError, RequestError, Violations};

use super::SimCard;
use crate::http::RawBody;

/// So many characters has a name at most.
const MAX_NAME: usize = 128;
/// So many characters has a push token at most.
const MAX_PUSH_TOKEN: usize = 256;

/// The body of `POST /device`.
#[derive(Debug)]
pub(super) struct RegisterRequest {
    pub(super) name: Option<String>,
    pub(super) push_token: Option<String>,
    pub(super) sim_cards: Vec<SimCard>,
}

impl RegisterRequest {
    pub(super) fn parse(body: &RawBody) -> Result<Self, RequestError> {
        let value = body.json()?;
        let fields = Object::of(&value, "MobileRegisterRequest")?;
        let request = Self {
            name: fields.opt_string("name")?,
            push_token: fields.opt_string("pushToken")?,
            sim_cards: sim_cards(&fields)?,
        };
        let mut broken = Violations::new();
        broken.max_chars(request.name.as_deref(), MAX_NAME, "MobileRegisterRequest.Name");
        broken.max_chars(
            request.push_token.as_deref(),
            MAX_PUSH_TOKEN,
            "MobileRegisterRequest.PushToken",
        );
        broken.finish()?;
        Ok(request)
    }
}

/// The body of `PATCH /device`.
#[derive(Debug)]
pub(super) struct UpdateRequest {
    pub(super) id: Option<String>,
    pub(super) push_token: Option<String>,
    /// Absent means none: the stored ones are wiped.
    pub(super) sim_cards: Vec<SimCard>,
}

impl UpdateRequest {
    pub(super) fn parse(body: &RawBody) -> Result<Self, RequestError> {
        let value = body.json()?;
        let fields = Object::of(&value, "MobileUpdateRequest")?;
        let request = Self {
            id: fields.opt_string("id")?,
            push_token: fields.opt_string("pushToken")?,
            sim_cards: sim_cards(&fields)?,
        };
        let mut broken = Violations::new();
        broken.max_chars(
            request.push_token.as_deref(),
            MAX_PUSH_TOKEN,
            "MobileUpdateRequest.PushToken",
        );
        broken.finish()?;
        Ok(request)
    }
}

fn sim_cards(fields: &Object<'_>) -> Result<Vec<SimCard>, ParseError> {
    let cards = fields.opt_object_list("simCards", "SimCard")?.unwrap_or_default();
    cards
        .iter()
        .map(|card| {
            Ok(SimCard {
                slot_index: card.opt_int("slotIndex")?.unwrap_or_default(),
                sim_number: card.opt_int("simNumber")?.unwrap_or_default(),
                phone_number: card.opt_string("phoneNumber")?,
                carrier_name: card.opt_string("carrierName")?,
                iccid: card.opt_string("iccid")?,
            })
        })
        .collect()
}
