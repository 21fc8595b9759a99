//! The faults as keys, as each declares itself.

use std::sync::LazyLock;

use squall_scenario::Inject;
use squall_scenario::inject::{About, Absent, Group, Parameter, ParameterKind};

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
        (
            ParameterKind::Words(_) | ParameterKind::Share,
            Absent::Mistake
        )
    );
    is_short.then_some(first)
}

/// A group of parameters, as a map has it.
struct Grouped {
    group: &'static Group,
    shape: &'static Shape,
    kind: Kind,
}

/// Every group there is. Made once, and there as long as the faults are.
static GROUPS: LazyLock<Vec<Grouped>> = LazyLock::new(|| {
    let parameters = Inject::kinds().flat_map(|about| about.parameters);
    let groups = parameters.filter_map(|parameter| match parameter.kind {
        ParameterKind::Group(group) => Some(grouped(group)),
        _ => None,
    });
    groups.collect()
});

fn grouped(group: &'static Group) -> Grouped {
    let keys: Vec<Key> = group.parameters.iter().map(parameter).collect();
    let shape: &Shape = Box::leak(Box::new(Shape {
        noun: group.noun,
        about: group.about,
        reads: group.reads,
        keys: keys.leak(),
    }));
    let short = short_of(group).map(|short| kind_of(short.kind));
    let kind = match short {
        Some(short) => Kind::Either(vec![short, Kind::Object(shape)].leak()),
        None => Kind::Object(shape),
    };
    Grouped { group, shape, kind }
}

/// The parameter that a value stands for in place of the whole group.
pub(crate) fn short_of(group: &Group) -> Option<&'static Parameter> {
    let short = group.short?;
    let mut parameters = group.parameters.iter();
    parameters.find(|parameter| parameter.name == short)
}

/// How the map of a group is shaped.
pub(crate) fn shape_of(group: &Group) -> Option<&'static Shape> {
    let found = GROUPS.iter().find(|one| std::ptr::eq(one.group, group))?;
    Some(found.shape)
}

/// A fault with a parameter that has to be there may not stand alone.
fn fault(about: &About, shape: &'static Shape, forms: &'static [Kind]) -> Key {
    let kind = match forms.len() {
        1 => Kind::Object(shape),
        _ => Kind::Either(forms),
    };
    let needs = |parameter: &Parameter| match parameter.absent {
        Absent::Mistake | Absent::Another => true,
        Absent::Nothing | Absent::Means(_) => false,
    };
    let key = match about.parameters.iter().any(needs) {
        true => needed(about.keyword, kind, about.about),
        false => key(about.keyword, kind, about.about),
    };
    key.otherwise(about.also_called)
}

/// What stands behind the key of a parameter.
pub(crate) fn kind_of(kind: ParameterKind) -> Kind {
    match kind {
        ParameterKind::Duration => Kind::Duration,
        ParameterKind::BytesPerSecond => Kind::BytesPerSecond,
        ParameterKind::Size => Kind::Size,
        ParameterKind::Share => Kind::Share,
        ParameterKind::Count(low, high) => Kind::Whole(low.into(), high.into()),
        ParameterKind::Words(words) => Kind::Words(words),
        ParameterKind::Text | ParameterKind::Content => Kind::Text,
        ParameterKind::Part => Kind::Either(&[Kind::Share, Kind::Size]),
        ParameterKind::Texts => Kind::Names(&Kind::Text),
        ParameterKind::Names => Kind::List(&Kind::Text),
        ParameterKind::Group(group) => {
            let found = GROUPS.iter().find(|one| std::ptr::eq(one.group, group));
            found.map_or(Kind::Text, |one| one.kind)
        }
    }
}

fn parameter(parameter: &Parameter) -> Key {
    let kind = kind_of(parameter.kind);
    let key = match parameter.absent {
        Absent::Means(_) | Absent::Nothing | Absent::Another => {
            key(parameter.name, kind, parameter.about)
        }
        Absent::Mistake => needed(parameter.name, kind, parameter.about),
    };
    key.otherwise(parameter.otherwise)
}
