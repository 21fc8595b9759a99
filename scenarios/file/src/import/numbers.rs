//! Numbers that a schema of OpenAPI allows.

use super::draft::DraftData;
use super::json::Json;

/// Data that draws whole numbers of a schema, or the one number there is: what is
/// drawn is never below 0.
pub(super) fn whole(schema: &Json) -> Result<DraftData, String> {
    let (least, most) = whole_bounds(schema);
    if let Some(step) = schema.get("multipleOf").and_then(Json::whole)
        && step > 1
    {
        return Err(multiple(step, least, most).to_string());
    }
    // Any range goes on from 1 where it holds 1.
    let from = match (least, most) {
        (Some(least), _) if least > 0 => least,
        (_, Some(most)) if most < 1 => return Err(most.to_string()),
        (Some(0), _) => 0,
        _ => 1,
    };
    let to = most.unwrap_or_else(|| from.saturating_add(99)).max(from);
    Ok(DraftData::Uniform(from.unsigned_abs(), to.unsigned_abs()))
}

/// The multiple of a step that is nearest to where a range begins.
fn multiple(step: u64, least: Option<i64>, most: Option<i64>) -> i64 {
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    let up = |from: i64| match from.rem_euclid(step) {
        0 => from,
        over => from.saturating_add(step - over),
    };
    match (least, most) {
        (Some(least), _) => up(least),
        (None, Some(most)) if most < step => most.saturating_sub(most.rem_euclid(step)),
        (None, _) => step,
    }
}

/// The least and the greatest whole number of a schema.
fn whole_bounds(schema: &Json) -> (Option<i64>, Option<i64>) {
    let [least, most] = ["minimum", "maximum"].map(|key| {
        let bound = |key: &str| schema.get(key).and_then(Json::text);
        let is_least = key == "minimum";
        let round = |text: &str| -> Option<i64> {
            if let Ok(number) = text.parse::<i64>() {
                return Some(number);
            }
            let number = text.parse::<f64>().ok()?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is beyond is the last one"
            )]
            let whole = if is_least {
                number.ceil()
            } else {
                number.floor()
            } as i64;
            Some(whole)
        };
        // OpenAPI 3.0 says with a flag that the bound is none of them, 3.1 with its number.
        let exclusive = if is_least {
            "exclusiveMinimum"
        } else {
            "exclusiveMaximum"
        };
        let inside = |text: &str| {
            let whole = round(text)?;
            let is_bound = text
                .parse::<f64>()
                .is_ok_and(|number| number.fract() == 0.0);
            Some(match (is_bound, is_least) {
                (true, true) => whole.saturating_add(1),
                (true, false) => whole.saturating_sub(1),
                (false, _) => whole,
            })
        };
        let closed = bound(key).and_then(|text| match schema.is_true(exclusive) {
            true => inside(text),
            false => round(text),
        });
        let open = bound(exclusive).and_then(inside);
        match is_least {
            true => closed.max(open),
            false => [closed, open].into_iter().flatten().min(),
        }
    });
    (least, most)
}

/// A number of a schema that need not be whole.
pub(super) fn any(schema: &Json) -> String {
    const USUAL: f64 = 1.5;
    let number = |key: &str| schema.get(key)?.text()?.parse::<f64>().ok();
    let least = [number("minimum"), number("exclusiveMinimum")];
    let most = [number("maximum"), number("exclusiveMaximum")];
    let least = least.into_iter().flatten().reduce(f64::max);
    let most = most.into_iter().flatten().reduce(f64::min);
    let step = schema.get("multipleOf").and_then(Json::text);
    if let Some(step) = step
        && least.is_none_or(|least| least <= 0.0)
        && most.is_none_or(|most| most >= 0.0)
    {
        // Once the step, where the range holds it, else none.
        let once = step
            .parse::<f64>()
            .is_ok_and(|step| most.is_none_or(|most| step < most));
        return if once { step } else { "0" }.to_owned();
    }
    let number = match (least, most) {
        (least, most)
            if least.is_none_or(|least| least < USUAL) && most.is_none_or(|most| most > USUAL) =>
        {
            USUAL
        }
        (Some(least), Some(most)) => f64::midpoint(least, most),
        (Some(least), None) => least + 1.0,
        (None, Some(most)) => most - 1.0,
        (None, None) => USUAL,
    };
    let number = match step.and_then(|step| step.parse::<f64>().ok()) {
        // The next multiple, unless the range ends before it.
        Some(step) if step > 0.0 => {
            let next = (number / step).ceil() * step;
            let fits = most.is_none_or(|most| next < most);
            if fits { next } else { number }
        }
        _ => number,
    };
    serde_json::Number::from_f64(number).map_or_else(|| "1.5".to_owned(), |it| it.to_string())
}
