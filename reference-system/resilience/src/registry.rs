//! All commands of a process.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::collapser::{self, Batch, Collapser, CollapserProperties, CollapserSnapshot};
use crate::command::NOTICES_MAX;
use crate::dynamic::{DynamicError, Layers, OF_COLLAPSER};
use crate::event::Notice;
use crate::stale_cache::{StaleCache, StaleCacheSnapshot};
use crate::{
    Clock, Command, CommandSnapshot, Properties, PropertiesError, SystemClock, hystrix_stream,
};

/// All commands of a process, one per name. Cloning shares it. Names belong in code, not in
/// requests: a command is never removed.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    commands: Mutex<Commands>,
    collapsers: Mutex<Collapsers>,
    caches: Mutex<BTreeMap<String, CacheView>>,
    clock: Arc<dyn Clock>,
    notices: broadcast::Sender<Notice>,
}

/// A cache of whatever types.
type CacheView = Arc<dyn Fn() -> StaleCacheSnapshot + Send + Sync>;

#[derive(Default)]
struct Commands {
    by_name: BTreeMap<String, Command>,
    layers: Layers<Properties>,
}

#[derive(Default)]
struct Collapsers {
    by_name: BTreeMap<String, Arc<collapser::View>>,
    layers: Layers<CollapserProperties>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.commands()).finish()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// A registry without commands, on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// A registry whose commands live by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let (notices, _) = broadcast::channel(NOTICES_MAX);
        Self(Arc::new(Shared {
            commands: Mutex::default(),
            collapsers: Mutex::default(),
            caches: Mutex::default(),
            clock,
            notices,
        }))
    }

    /// The command called `name`, made on first use. As in Hystrix, group and properties count
    /// only then; use [`set_property`](Self::set_property) to change them later.
    ///
    /// # Errors
    /// The properties contradict themselves, or what was set before.
    pub fn command(
        &self,
        name: &str,
        group: &str,
        properties: Properties,
    ) -> Result<Command, PropertiesError> {
        let mut commands = self.lock();
        if let Some(command) = commands.by_name.get(name) {
            return Ok(command.clone());
        }
        let mut layers = commands.layers.clone();
        let properties = layers.settle(name, properties)?;
        let command = Command::with_parts(
            name,
            group,
            properties,
            self.0.clock.clone(),
            self.0.notices.clone(),
        )?;
        commands.by_name.insert(name.to_owned(), command.clone());
        commands.layers = layers;
        Ok(command)
    }

    /// Sets `hystrix.command.KEY.NAME`, for one command or with `default` as KEY for all whose
    /// code says nothing else: of the commands there are at once, of others when they are made.
    /// NAME is Hystrix's ([`HYSTRIX_NAMES`](crate::dynamic::HYSTRIX_NAMES)) or that of a field of
    /// [`Properties`]. What [`Command::set_properties`] changed is lost with it.
    ///
    /// Collapsers that are shown have theirs by the same rules, `hystrix.collapser.KEY.NAME`
    /// ([`COLLAPSER_NAMES`](crate::dynamic::COLLAPSER_NAMES)).
    ///
    /// # Errors
    /// The key or value cannot be understood, or a command or collapser cannot have it. Then nothing
    /// changes.
    pub fn set_property(&self, key: &str, value: &str) -> Result<(), DynamicError> {
        match key.starts_with(OF_COLLAPSER) {
            true => self.change_collapsers(|layers| layers.set(key, value)),
            false => self.change_layers(|layers| layers.set(key, value)),
        }
    }

    /// Takes back what [`set_property`](Self::set_property) set.
    ///
    /// # Errors
    /// The key cannot be understood, or a command cannot do without. Then nothing changes.
    pub fn clear_property(&self, key: &str) -> Result<(), DynamicError> {
        match key.starts_with(OF_COLLAPSER) {
            true => self.change_collapsers(|layers| layers.clear(key)),
            false => self.change_layers(|layers| layers.clear(key)),
        }
    }

    /// The command called `name`, if it has been made.
    pub fn get(&self, name: &str) -> Option<Command> {
        self.lock().by_name.get(name).cloned()
    }

    /// All commands, by name.
    pub fn commands(&self) -> Vec<Command> {
        self.lock().by_name.values().cloned().collect()
    }

    /// Shows `collapser` beside the commands from now on, with what is set of it or of all; of those
    /// with one name, the last.
    pub fn show_collapser<A, B>(&self, collapser: &Collapser<A, B>)
    where
        A: Hash + Eq + Clone + Send + Sync + 'static,
        B: Batch<A>,
    {
        let (name, view) = (collapser.name(), collapser.view());
        let mut collapsers = self.lock_collapsers();
        // Both are valid, and so is every mixture of settings that can be set.
        if let Ok(settled) = collapsers.layers.settle(name, view.properties()) {
            view.set_properties(settled);
        }
        collapsers.by_name.insert(name.to_owned(), view);
    }

    /// All collapsers that are shown, at this instant, by name.
    pub fn collapser_snapshots(&self) -> Vec<CollapserSnapshot> {
        let shown: Vec<_> = self.lock_collapsers().by_name.values().cloned().collect();
        shown.iter().map(|view| view.snapshot()).collect()
    }

    /// Shows how much `cache` keeps beside its command from now on; of those of one command, the
    /// last.
    pub fn show_cache<K, T, E>(&self, cache: &StaleCache<K, T, E>)
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Clone + Send + 'static,
        E: Clone + Send + 'static,
    {
        let name = cache.command().name().to_owned();
        let cache = cache.clone();
        let view: CacheView = Arc::new(move || cache.snapshot());
        self.lock_caches().insert(name, view);
    }

    /// All caches that are shown, at this instant, by the name of their command.
    pub fn cache_snapshots(&self) -> Vec<StaleCacheSnapshot> {
        let shown: Vec<_> = self.lock_caches().values().cloned().collect();
        shown.iter().map(|view| view()).collect()
    }

    /// All commands at this instant, by name.
    pub fn snapshots(&self) -> Vec<CommandSnapshot> {
        self.commands().iter().map(Command::snapshot).collect()
    }

    /// One round of `/hystrix.stream`: two JSON objects per command, one per collapser. Send them
    /// every 500 ms, each framed by [`hystrix_stream::sse_event`].
    pub fn hystrix_messages(&self) -> Vec<String> {
        let collapsers = self.collapser_snapshots().into_iter();
        let collapsers = collapsers.map(|shown| hystrix_stream::collapser(&shown).to_string());
        self.snapshots()
            .iter()
            .flat_map(hystrix_stream::messages)
            .chain(collapsers)
            .collect()
    }

    /// Receives the events and breaker transitions of all commands from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Changes what is set beside the code, if every command can have it.
    fn change_layers(
        &self,
        change: impl FnOnce(&mut Layers<Properties>) -> Result<(), DynamicError>,
    ) -> Result<(), DynamicError> {
        let mut commands = self.lock();
        let mut layers = commands.layers.clone();
        change(&mut layers)?;
        let all = layers.all()?;
        let running = |name: &str| commands.by_name.get(name);
        for (name, properties) in &all {
            let fits = |command: &Command| properties.same_windows(&command.properties());
            if !running(name).is_none_or(fits) {
                return Err(DynamicError::Command {
                    command: name.clone(),
                    error: PropertiesError::WindowsFixed,
                });
            }
        }
        for (name, properties) in all {
            let Some(command) = running(&name) else {
                continue;
            };
            let changed = command.set_properties(properties);
            changed.map_err(|error| DynamicError::Command {
                command: name,
                error,
            })?;
        }
        commands.layers = layers;
        Ok(())
    }

    fn change_collapsers(
        &self,
        change: impl FnOnce(&mut Layers<CollapserProperties>) -> Result<(), DynamicError>,
    ) -> Result<(), DynamicError> {
        let mut collapsers = self.lock_collapsers();
        let mut layers = collapsers.layers.clone();
        change(&mut layers)?;
        for (name, properties) in layers.all()? {
            if let Some(view) = collapsers.by_name.get(&name) {
                view.set_properties(properties);
            }
        }
        collapsers.layers = layers;
        Ok(())
    }

    fn lock_caches(&self) -> MutexGuard<'_, BTreeMap<String, CacheView>> {
        self.0.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Commands> {
        self.0
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_collapsers(&self) -> MutexGuard<'_, Collapsers> {
        self.0
            .collapsers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
