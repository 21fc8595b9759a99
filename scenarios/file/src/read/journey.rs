//! `journeys` of a load: what users do, step by step.

use squall_scenario::{
    Journey, Request, STEP_OF, Step, Take, Think, Watching, is_header_name, quoted,
};

use super::expect::not_a_pointer;
use super::{Context, Fields, Reader, RequestPlaces};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::Kind;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

/// What a player fetches ahead where the file does not say.
const BUFFER: std::time::Duration = std::time::Duration::from_secs(8);
/// Most steps of a journey.
const STEPS_MAX: usize = 100;

/// Where the parts of a journey stand.
#[derive(Debug, Clone)]
pub(crate) struct JourneyPlaces {
    /// As it is written, whether all of it could be read or not.
    pub(crate) name: (String, Place),
    /// What its steps take, in the order of the steps.
    pub(crate) taken: Vec<TakenPlace>,
}

/// A value that a step takes from its answer.
#[derive(Debug, Clone)]
pub(crate) struct TakenPlace {
    pub(crate) name: String,
    /// The step that takes it, by its number in the list.
    pub(crate) step: usize,
    pub(crate) place: Place,
}

/// The journeys of a load.
#[derive(Default)]
pub(super) struct JourneysDraft {
    pub(super) journeys: Vec<Journey>,
    pub(super) places: Vec<JourneyPlaces>,
    /// One for every step that was read.
    pub(super) requests: Vec<RequestPlaces>,
    pub(super) complete: bool,
}

impl Reader {
    pub(super) fn journeys(&mut self, fields: Fields<'_>) -> JourneysDraft {
        let mut draft = JourneysDraft {
            complete: true,
            ..JourneysDraft::default()
        };
        let Some(node) = fields.get("journeys") else {
            return draft;
        };
        let items = self.list(node, "journeys");
        if items.is_empty() {
            draft.complete = false;
            if matches!(node.kind, NodeKind::List(_)) {
                let example = "{ name: browse, steps: [ GET /, GET /search ] }";
                self.report_empty(node, "the load has no journey", example);
            }
        }
        for item in items {
            match self.journey(item, &mut draft) {
                Some(journey) => draft.journeys.push(journey),
                None => draft.complete = false,
            }
        }
        draft
    }

    fn journey(&mut self, node: &Node, draft: &mut JourneysDraft) -> Option<Journey> {
        let fields = self.fields(node, &keys::JOURNEY)?;
        let name = fields.get("name").and_then(|node| self.journey_name(node));
        let weight = match fields.get("weight") {
            Some(node) => self.whole_u32(node, 1, 1_000_000),
            None => Some(1),
        };
        let persona = match fields.get("as") {
            Some(node) => self.persona_of(node).map(Some),
            None => Some(None),
        };
        let number = draft.places.len();
        let mut places = JourneyPlaces {
            name: (name.clone().unwrap_or_default(), fields.place("name")),
            taken: Vec::new(),
        };
        let steps = fields.get("steps");
        let steps = steps.map(|node| self.steps_of(node, number, &mut places.taken));
        draft.places.push(places);
        let steps: Vec<(Step, RequestPlaces)> = steps.flatten()?;
        let (name, weight, persona) = (name?, weight?, persona?);
        let (mut steps, requests): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        for step in &mut steps {
            let own = &step.request.name;
            step.request.name = format!("{name}{STEP_OF}{own}");
        }
        draft.requests.extend(requests);
        Some(Journey {
            name,
            weight,
            persona,
            steps,
        })
    }

    fn journey_name(&mut self, node: &Node) -> Option<String> {
        let name = self.title(node)?;
        if !name.contains(STEP_OF) {
            return Some(name);
        }
        self.report(
            Diagnostic::error(codes::BAD_NAME, "the name of a journey has no `/`")
                .at(node.place, "its steps are called NAME/STEP")
                .help(format!("write `{}`", name.replace(STEP_OF, " "))),
        );
        None
    }

    /// The steps of the nth journey; `None` where not all of them could be read.
    fn steps_of(
        &mut self,
        node: &Node,
        journey: usize,
        taken: &mut Vec<TakenPlace>,
    ) -> Option<Vec<(Step, RequestPlaces)>> {
        let items = self.list(node, "steps");
        if items.is_empty() {
            if matches!(node.kind, NodeKind::List(_)) {
                self.report_empty(node, "the journey has no step", "GET /");
            }
            return None;
        }
        let mut steps = Vec::new();
        let mut complete = true;
        let mut pause: Option<(Place, Option<Think>)> = None;
        for (number, item) in items.iter().enumerate() {
            if item.get("think").is_some() && item.get("send").is_some() {
                self.pause_in_a_step(item);
                complete = false;
                continue;
            }
            if item.get("think").is_some() {
                if steps.is_empty() || pause.is_some() {
                    self.refuse_pause(item.place, pause.map(|(place, _)| place));
                }
                let fields = self.fields(item, &keys::PAUSE)?;
                let think = fields.get("think").and_then(|node| self.think(node));
                complete &= think.is_some();
                pause = Some((item.place, think));
                continue;
            }
            if item.get("player").is_some() {
                let step = self.player(item, steps.last(), pause.take().map(|(place, _)| place));
                match step {
                    Some(step) => steps.push(step),
                    None => complete = false,
                }
                continue;
            }
            let step = self.own_step(item, (journey, number), taken);
            let think = pause.take().and_then(|(_, think)| think);
            match step {
                Some((step, places)) => steps.push((Step { think, ..step }, places)),
                None => complete = false,
            }
        }
        if let Some((place, _)) = pause {
            self.report(
                Diagnostic::error(codes::WRONG_SHAPE, "nobody waits for the end of this pause")
                    .at(place, "no step behind it")
                    .help("leave it out, or add the step that comes then"),
            );
        }
        if steps.len() > STEPS_MAX {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("a journey has at most {STEPS_MAX} steps"),
                )
                .at(node.place, format!("{} of them", steps.len()))
                .help("split it into several journeys"),
            );
            return None;
        }
        complete.then_some(steps)
    }

    /// A step, and what it uses as that of this journey.
    fn own_step(
        &mut self,
        item: &Node,
        (journey, step): (usize, usize),
        taken: &mut Vec<TakenPlace>,
    ) -> Option<(Step, RequestPlaces)> {
        let uses = self.uses.len();
        let read = self.step(item, step, taken);
        for used in &mut self.uses[uses..] {
            used.context = Context::Step { journey, step };
        }
        read
    }

    fn pause_in_a_step(&mut self, item: &Node) {
        let mut entries = item.entries().iter();
        let think = entries.find(|entry| entry.key == "think");
        let place = think.map_or(item.place, |entry| entry.key_place);
        self.report(
            Diagnostic::error(
                codes::WRONG_SHAPE,
                "a pause stands between steps, not in one",
            )
            .at(place, "before this step, or behind it?")
            .help("write `- think: 1s..3s` as an item of its own, where the user thinks"),
        );
    }

    fn refuse_pause(&mut self, place: Place, before: Option<Place>) {
        let diagnostic = match before {
            Some(before) => Diagnostic::error(codes::WRONG_SHAPE, "two pauses follow one another")
                .at(place, "the second one")
                .also(before, "the first one")
                .help("write one of them, as long as both"),
            None => Diagnostic::error(codes::WRONG_SHAPE, "a journey begins with a step")
                .at(place, "nothing before it")
                .help("leave the pause out: the arrival says when the first step is due"),
        };
        self.report(diagnostic);
    }

    pub(super) fn think(&mut self, node: &Node) -> Option<Think> {
        self.quantity(node, "a duration", str::parse)
    }

    fn step(
        &mut self,
        node: &Node,
        number: usize,
        taken: &mut Vec<TakenPlace>,
    ) -> Option<(Step, RequestPlaces)> {
        let sent = self.sent(node, &keys::STEP);
        let take = node.get("take").map(|it| self.takes(it, number, taken));
        let leave = match node.get("leave") {
            Some(node) => Some(self.share(node)?),
            None => None,
        };
        let (request, places) = sent?;
        let take = take.unwrap_or(Some(Vec::new()))?;
        if let Some(node) = node.get("take")
            && take.iter().any(|(_, take)| take.reads_body())
        {
            self.refuse_body_of_head(&request.method, node.place);
            if let Some(call) = &request.call {
                self.refuse_message_of_failure((call, &request.expect_status), node.place);
            }
        }
        let step = Step {
            request: Request {
                name: request.name.trim().to_owned(),
                ..request
            },
            take,
            think: None,
            player: None,
            leave,
        };
        Some((step, places))
    }

    /// A step that watches what the step before it brought, at once.
    fn player(
        &mut self,
        node: &Node,
        before: Option<&(Step, RequestPlaces)>,
        pause: Option<Place>,
    ) -> Option<(Step, RequestPlaces)> {
        let fields = self.fields(node, &keys::PLAYER)?;
        let name = fields.get("name").map(|node| self.title(node));
        let watching = fields.get("player").map(|node| self.watching(node));
        let place = fields.place("player");
        let no_manifest = before.and_then(|(step, places)| {
            let request = &step.request;
            let name = quoted(&request.name);
            let called = request
                .call
                .is_some()
                .then(|| format!("{name} is a call of gRPC"));
            let streamed = request
                .events
                .map(|_| format!("{name} is a stream of events"));
            let opened = request
                .socket
                .as_ref()
                .map(|_| format!("{name} is a socket"));
            Some((places.name, called.or(streamed).or(opened)?))
        });
        let brings = before.filter(|(step, _)| step.player.is_none());
        if brings.is_none() || no_manifest.is_some() || pause.is_some() {
            let problem = Diagnostic::error(codes::WRONG_SHAPE, "there is nothing to play")
                .at(place, "no manifest before it");
            let problem = match (no_manifest, pause) {
                (Some((place, why)), _) => problem
                    .also(place, why)
                    .help("put the request for the manifest between them: `send: POST /play/$title`"),
                (None, Some(pause)) => problem.also(pause, "the user thinks here").help(
                    "play at once: the time to the first frame counts from the request for the manifest",
                ),
                (None, None) => problem.help(
                    "put the request for the manifest before it: `send: POST /play/$title`",
                ),
            };
            self.report(problem);
            return None;
        }
        let name = name.unwrap_or_else(|| Some("player".to_owned()))?;
        let (request, headers) = self.segment(&name);
        let places = RequestPlaces {
            name: match fields.get("name") {
                Some(node) => node.place,
                None => fields.place("player"),
            },
            within: fields.place("player"),
            headers,
            message: node.place,
            stay: node.place,
        };
        let step = Step {
            request,
            take: Vec::new(),
            think: None,
            player: Some(watching.flatten()?),
            leave: None,
        };
        Some((step, places))
    }

    fn watching(&mut self, node: &Node) -> Option<Watching> {
        let fields = self.fields(node, &keys::WATCHING)?;
        let buffer = match fields.get("buffer") {
            Some(node) => self.some_time(node, "nothing is fetched ahead"),
            None => Some(BUFFER),
        };
        let stay = fields.get("for");
        let stay = stay.and_then(|node| self.some_time(node, "nobody watches"));
        Some(Watching {
            buffer: buffer?,
            stay: stay?,
        })
    }

    /// What a step takes from its answer; `None` where not all could be read.
    fn takes(
        &mut self,
        node: &Node,
        step: usize,
        taken: &mut Vec<TakenPlace>,
    ) -> Option<Vec<(String, Take)>> {
        let mut takes = Vec::new();
        let mut complete = true;
        for entry in self.names(node, "values to take") {
            let good = self.name(&entry.key, entry.key_place, true);
            if good {
                taken.push(TakenPlace {
                    name: entry.key.clone(),
                    step,
                    place: entry.key_place,
                });
            }
            match self.take(&entry.value).filter(|_| good) {
                Some(take) => takes.push((entry.key.clone(), take)),
                None => complete = false,
            }
        }
        complete.then_some(takes)
    }

    fn take(&mut self, node: &Node) -> Option<Take> {
        let (key, value) = self.one_of(node, "a value to take", keys::TAKE)?;
        debug_assert!(matches!(key.kind, Kind::Text));
        let value = value?;
        let text = self.text(value)?;
        match key.name {
            "json" => match not_a_pointer(&text, value.place) {
                Some(problem) => {
                    self.report(problem);
                    None
                }
                None => Some(Take::Json(text)),
            },
            "header" => {
                if !is_header_name(&text) {
                    let title = format!("{} cannot be a header", quoted(&text));
                    self.report(
                        Diagnostic::error(codes::BAD_NAME, title)
                            .at(value.place, "here")
                            .help("header names have letters, digits and dashes: `location`"),
                    );
                    return None;
                }
                Some(Take::Header(text.to_ascii_lowercase()))
            }
            _ => match regex_lite::Regex::new(&text) {
                Ok(_) => Some(Take::Regex(text)),
                Err(error) => {
                    let title = format!("{} is no regular expression", quoted(&text));
                    self.report(
                        Diagnostic::error(codes::BAD_PATTERN, title)
                            .at(value.place, error.to_string())
                            .help("write for instance `regex: 'name=\"csrf\" value=\"([^\"]+)\"'`"),
                    );
                    None
                }
            },
        }
    }
}
