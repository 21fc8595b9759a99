//! The faults as keys, as each declares itself.

use std::sync::LazyLock;

use squall_scenario::Inject;
use squall_scenario::inject::{About, Absent, Parameter, ParameterKind};

use crate::shape::{Key, Kind, Shape, key, needed};

/// What may stand behind `inject`.
pub(crate) fn faults() -> &'static [Key] {
    static FAULTS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let shapes = Inject::kinds().zip(SHAPES.iter());
        shapes.map(|(about, shape)| fault(about, shape)).collect()
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

/// A fault with a parameter that has to be there may not stand alone.
fn fault(about: &About, shape: &'static Shape) -> Key {
    let kind = Kind::Object(shape);
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
