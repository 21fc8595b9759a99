//! The scenario: one experiment, readable aloud.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::FaultSpec;
use crate::gate::{Gate, MetricGate, SloBlock};
use crate::load::Load;
use crate::reading::ReadingGate;
use crate::span::Located;
use crate::system::System;

/// A validated scenario: every name resolves, every default is filled in,
/// every cross-field rule holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Name; also names the run directory.
    pub name: String,
    /// Why the scenario exists, in prose.
    pub about: Option<String>,
    /// Seed of everything random; `None` lets the caller choose one.
    pub seed: Option<u64>,
    /// What is under test. Empty but for `target` when it already runs.
    pub system: System,
    /// What is sent.
    pub load: Load,
    /// What must be true before anything is broken.
    pub steady_state: Option<SteadyState>,
    /// What is broken, in file order.
    pub faults: Vec<FaultSpec>,
    /// When to give up and put everything back.
    pub abort_when: Vec<Located<AbortRule>>,
    /// The same for what is read beside the arrivals.
    #[serde(default)]
    pub abort_on_readings: Vec<Located<ReadingGate>>,
    /// What must be true.
    pub slo: Vec<SloBlock>,
    /// Weakened forms that must fail.
    pub variants: Vec<Variant>,
}

impl Scenario {
    /// The fault of that name.
    #[must_use]
    pub fn fault(&self, name: &str) -> Option<&FaultSpec> {
        self.faults.iter().find(|fault| fault.name.value == name)
    }

    /// The variant of that name.
    #[must_use]
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }
}

/// The steady-state hypothesis, checked under load before the first fault; its
/// gates also judge the baseline window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SteadyState {
    /// How long it must hold without a break.
    pub duration: Duration,
    /// The expectations.
    pub expect: Vec<Located<Gate>>,
}

/// A live threshold that ends the run early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbortRule {
    /// The condition, `sustained` included.
    pub gate: MetricGate,
}

/// A weakened form of the scenario that must fail on a gate about users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Name.
    pub name: String,
    /// Settings that differ, by name.
    pub with: Vec<(String, String)>,
    /// Gates that must fail: metric, and the window it is judged in.
    pub fails: Vec<Located<ExpectedFailure>>,
}

/// `success during slow recommendations`, `p99 of homepage during baseline`,
/// `baseline returns after slow recommendations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectedFailure {
    /// Text of the gate's left-hand side: `success`, `p99 of homepage`.
    pub metric: String,
    /// The window's name; `after FAULT` for a gate on recovery.
    pub window: String,
}
