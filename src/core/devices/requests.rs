//! What does a device send about itself (WIRE §4.1, §4.3)?

use gateward_contract::{Object, ParseError, RequestError, Value, Violations};

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
    pub(super) fn parse(body: RawBody) -> Result<Self, RequestError> {
        body.read(|value| Self::read(&value))
    }

    fn read(body: &Value<'_>) -> Result<Self, RequestError> {
        let fields = Object::of(body, "MobileRegisterRequest")?;
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
    pub(super) id: String,
    /// Empty or absent: the stored one stays.
    pub(super) push_token: String,
    /// Absent means none: the stored ones are wiped.
    pub(super) sim_cards: Vec<SimCard>,
}

impl UpdateRequest {
    pub(super) fn parse(body: RawBody) -> Result<Self, RequestError> {
        body.read(|value| Self::read(&value))
    }

    fn read(body: &Value<'_>) -> Result<Self, RequestError> {
        let fields = Object::of(body, "MobileUpdateRequest")?;
        let request = Self {
            id: fields.string("id")?,
            push_token: fields.string("pushToken")?,
            sim_cards: sim_cards(&fields)?,
        };
        let mut broken = Violations::new();
        broken.max_chars(
            Some(&request.push_token),
            MAX_PUSH_TOKEN,
            "MobileUpdateRequest.PushToken",
        );
        broken.finish()?;
        Ok(request)
    }
}

fn sim_cards(fields: &Object<'_>) -> Result<Vec<SimCard>, ParseError> {
    let cards = fields.opt_object_list("simCards", "SimCard")?;
    cards
        .into_iter()
        .flatten()
        .map(|card| {
            let card = card?;
            Ok(SimCard {
                slot_index: card.int("slotIndex")?,
                sim_number: card.int("simNumber")?,
                phone_number: card.opt_string("phoneNumber")?,
                carrier_name: card.opt_string("carrierName")?,
                iccid: card.opt_string("iccid")?,
            })
        })
        .collect()
}
