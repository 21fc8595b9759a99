//! The faults as keys, as each declares itself.

use std::sync::LazyLock;

use squall_scenario::Inject;
use squall_scenario::inject::{About, Absent, Parameter, ParameterKind};

use crate::shape::{Key, Kind, Shape, key, needed};

/// What may stand behind `inject`.
pub(crate) fn faults() -> &'static [Key] {
    static FAULTS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let shapes = Inject::kinds().zip(SHAPES.iter()).zip(SHORT_FORMS.iter());
        let keys = shapes.map(|((about, shape), forms)| fault(about, shape, forms));
        keys.collect()
    });
    &FAULTS
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let keys = Inject::kinds().zip(PARAMETERS.iter());
    keys.map(|(about, keys)| Shape {
        noun: about.noun,
        about: about.meaning,
        reads: about.reads,
        keys,
    })
    .collect()
});

static PARAMETERS: LazyLock<Vec<Vec<Key>>> = LazyLock::new(|| {
    let of = |about: &About| about.parameters.iter().map(parameter).collect();
    Inject::kinds().map(of).collect()
});

/// The short form of each fault that has one: `dns: nxdomain` for
/// `dns: { answer: nxdomain }`, where the first parameter is a word that has to
/// be there.
static SHORT_FORMS: LazyLock<Vec<Vec<Kind>>> = LazyLock::new(|| {
    let forms = |(about, shape): (&'static About, &'static Shape)| {
        let word = short_form(about).map(|parameter| kind_of(parameter.kind));
        word.into_iter().chain([Kind::Object(shape)]).collect()
    };
    Inject::kinds().zip(SHAPES.iter()).map(forms).collect()
});

/// The parameter that the short form of a fault gives.
pub(crate) fn short_form(about: &'static About) -> Option<&'static Parameter> {
    let first = about.parameters.first()?;
    let is_short = matches!(
        (&first.kind, &first.absent),
        (ParameterKind::Words(_), Absent::Mistake)
    );
    is_short.then_some(first)
}

/// A fault with a parameter that has to be there may not stand alone.
fn fault(about: &About, shape: &'static Shape, forms: &'static [Kind]) -> Key {
    let kind = match forms.len() {
        1 => Kind::Object(shape),
        _ => Kind::Either(forms),
    };
    let key = match shape.keys.iter().any(|key| key.required) {
        true => needed(about.keyword, kind, about.about),
        false => key(about.keyword, kind, about.about),
    };
    key.otherwise(about.also_called)
}

/// What stands behind the key of a parameter.
pub(crate) const fn kind_of(kind: ParameterKind) -> Kind {
    match kind {
        ParameterKind::Duration => Kind::Duration,
        ParameterKind::BytesPerSecond => Kind::BytesPerSecond,
        ParameterKind::Size => Kind::Size,
        ParameterKind::Share => Kind::Share,
        ParameterKind::Count(low, high) => Kind::Whole(low as u64, high as u64),
        ParameterKind::Words(words) => Kind::Words(words),
        ParameterKind::Text => Kind::Text,
    }
}

fn parameter(parameter: &Parameter) -> Key {
    let kind = kind_of(parameter.kind);
    let key = match parameter.absent {
        Absent::Means(_) | Absent::Nothing => key(parameter.name, kind, parameter.about),
        Absent::Mistake => needed(parameter.name, kind, parameter.about),
    };
    key.otherwise(parameter.otherwise)
}
