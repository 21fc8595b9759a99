//! What a file describes for calls of gRPC: read once, for all calls that name it, and
//! so that no set of bytes does more than be refused in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde::{Deserialize, Serialize};

use crate::body_file::BodyFile;

/// Most imports that the files of a set may have in all, counted with what they pass on.
const IMPORTS_MAX: usize = 1_000_000;

/// A file that describes methods and messages, and what it says. What it says is read
/// once, shared by all clones and not recorded; what was read back describes nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "BodyFile", into = "BodyFile")]
pub struct Description {
    path: String,
    bytes: u64,
    pool: DescriptorPool,
}

/// Why a file describes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undescribed {
    /// One of its files is written in an edition, which is not read.
    Edition {
        /// That file.
        file: String,
    },
    /// Anything else, in words.
    Unsound(String),
}

impl Description {
    /// Reads what a file describes: its content is a descriptor set
    /// (`google.protobuf.FileDescriptorSet`). The types that every compiler knows are
    /// always there.
    ///
    /// # Errors
    /// It is none, lacks files that it names, or is not as compilers write it.
    pub fn read(file: &BodyFile) -> Result<Self, Undescribed> {
        let set = FileDescriptorSet::decode(&*file.content);
        let mut set = set.map_err(|error| Undescribed::Unsound(error.to_string()))?;
        for file in &mut set.file {
            sound(file)?;
        }
        pass_on_imports(&mut set.file)?;
        let mut pool = DescriptorPool::global();
        let added = pool.add_file_descriptor_set(set);
        added.map_err(|error| Undescribed::Unsound(error.to_string()))?;
        Ok(Self {
            path: file.path.clone(),
            bytes: file.bytes,
            pool,
        })
    }

    /// The file, as the scenario writes it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it describes.
    #[must_use]
    pub const fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The method of a service by its full name, `package.Service/Method`.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<MethodDescriptor> {
        let (service, method) = name.split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        service.methods().find(|known| known.name() == method)
    }
}

impl From<BodyFile> for Description {
    fn from(file: BodyFile) -> Self {
        Self {
            path: file.path,
            bytes: file.bytes,
            pool: DescriptorPool::new(),
        }
    }
}

impl From<Description> for BodyFile {
    fn from(description: Description) -> Self {
        Self {
            path: description.path,
            bytes: description.bytes,
            ..Self::default()
        }
    }
}

impl PartialEq for Description {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.bytes) == (&other.path, other.bytes)
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Description({}, {} bytes)", self.path, self.bytes)
    }
}

impl fmt::Display for Undescribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edition { file } => write!(f, "`{file}` is written in an edition"),
            Self::Unsound(why) => f.write_str(why),
        }
    }
}

/// Refuses what no compiler writes and the library that reads it does not expect, and
/// leaves out what nobody asks for: comments, and options of somebody's own.
fn sound(file: &mut FileDescriptorProto) -> Result<(), Undescribed> {
    let name = file.name().to_owned();
    match file.syntax.as_deref() {
        None | Some("" | "proto2") => file.syntax = None,
        Some("proto3") => {}
        Some("editions") => return Err(Undescribed::Edition { file: name }),
        Some(other) => {
            let why = format!("`{name}` has the syntax {other:?}, which there is not");
            return Err(Undescribed::Unsound(why));
        }
    }
    file.source_code_info = None;
    if let Some(options) = &mut file.options {
        options.uninterpreted_option.clear();
    }
    let unsound = |why: String| Undescribed::Unsound(format!("`{name}`: {why}"));
    for message in &mut file.message_type {
        sound_message(message).map_err(unsound)?;
    }
    for field in &mut file.extension {
        sound_field(field).map_err(unsound)?;
    }
    file.enum_type.iter_mut().for_each(plain_enum);
    file.service.iter_mut().for_each(plain_service);
    Ok(())
}

fn sound_message(message: &mut DescriptorProto) -> Result<(), String> {
    if let Some(options) = &mut message.options {
        options.uninterpreted_option.clear();
        if options.map_entry() {
            sound_entry(message)?;
        }
    }
    for field in message.field.iter_mut().chain(&mut message.extension) {
        sound_field(field)?;
    }
    for range in &mut message.extension_range {
        range.options = None;
    }
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    message.enum_type.iter_mut().for_each(plain_enum);
    message.nested_type.iter_mut().try_for_each(sound_message)
}

/// An entry of a map has a key, which is one of few types, and a value.
fn sound_entry(entry: &DescriptorProto) -> Result<(), String> {
    let field = |number| entry.field.iter().find(|field| field.number() == number);
    let single = |field: &FieldDescriptorProto| field.label() != Label::Repeated;
    let keys = |key: &FieldDescriptorProto| {
        let no_key = [
            Type::Double,
            Type::Float,
            Type::Bytes,
            Type::Group,
            Type::Message,
            Type::Enum,
        ];
        key.type_name().is_empty() && !no_key.contains(&key.r#type())
    };
    let sound =
        field(1).is_some_and(|key| single(key) && keys(key)) && field(2).is_some_and(single);
    match sound {
        true => Ok(()),
        false => Err(format!("{} is no entry of a map", entry.name())),
    }
}

fn sound_field(field: &mut FieldDescriptorProto) -> Result<(), String> {
    if let Some(options) = &mut field.options {
        options.uninterpreted_option.clear();
    }
    // Written as in C, where a byte has three octal digits at most.
    let default = field.default_value().as_bytes();
    let large = |digits: &[u8]| matches!(digits, [b'\\', b'4'..=b'7', b'0'..=b'7', b'0'..=b'7']);
    let of_bytes = field.r#type() == Type::Bytes;
    if of_bytes && (!default.is_ascii() || default.windows(4).any(large)) {
        return Err(format!("the default of {} is no bytes", field.name()));
    }
    Ok(())
}

fn plain_enum(of: &mut EnumDescriptorProto) {
    if let Some(options) = &mut of.options {
        options.uninterpreted_option.clear();
    }
    for value in &mut of.value {
        value.options = None;
    }
}

fn plain_service(service: &mut ServiceDescriptorProto) {
    service.options = None;
    for method in &mut service.method {
        if let Some(options) = &mut method.options {
            options.uninterpreted_option.clear();
        }
    }
}

/// Has each file import itself what its imports pass on (`import public`), however
/// deep and in whatever circle.
fn pass_on_imports(files: &mut [FileDescriptorProto]) -> Result<(), Undescribed> {
    let passed: BTreeMap<String, Vec<String>> = files
        .iter()
        .map(|file| {
            let each = file.public_dependency.iter();
            let each = each.filter_map(|at| file.dependency.get(usize::try_from(*at).ok()?));
            (file.name().to_owned(), each.cloned().collect())
        })
        .collect();
    let mut left = IMPORTS_MAX;
    for file in files {
        file.public_dependency.clear();
        file.weak_dependency.clear();
        let mut known: BTreeSet<String> = file.dependency.iter().cloned().collect();
        let mut at = 0;
        while let Some(import) = file.dependency.get(at) {
            at += 1;
            let more = passed.get(import).into_iter().flatten();
            let more: Vec<String> = more
                .filter(|it| known.insert((*it).clone()))
                .cloned()
                .collect();
            file.dependency.extend(more);
            left = left.checked_sub(1).ok_or_else(|| {
                let why = format!("its files import more than {IMPORTS_MAX} in all");
                Undescribed::Unsound(why)
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_reflect::prost_types::{
        EnumValueDescriptorProto, FieldOptions, MessageOptions, MethodDescriptorProto,
        OneofDescriptorProto,
    };

    use super::*;
    use crate::call::Messages;

    /// Makes descriptors out of bytes, so that names and numbers meet.
    struct Choices<'a>(&'a [u8], u32);

    impl Choices<'_> {
        fn below(&mut self, count: u8) -> u8 {
            let Some((first, rest)) = self.0.split_first() else {
                return 0;
            };
            self.0 = rest;
            first % count
        }

        fn of<T: Copy>(&mut self, all: &[T]) -> T {
            let at = self.below(all.len() as u8);
            all[usize::from(at)]
        }

        fn some<T>(&mut self, most: u8, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
            let count = self.below(most + 1);
            (0..count).map(|_| one(self)).collect()
        }

        fn name(&mut self) -> Option<String> {
            self.1 += 1;
            match self.below(80) {
                0 => None,
                1 => Some(String::new()),
                2 => Some("é.x".to_owned()),
                3..=6 => Some(self.of(&["N1", "N2", "N3", "a_b", "aB"]).to_owned()),
                _ => Some(format!("N{}", self.1)),
            }
        }

        fn type_name(&mut self) -> Option<String> {
            let near = self.1.saturating_sub(u32::from(self.below(6)));
            match self.below(8) {
                0 => None,
                1 => Some(".google.protobuf.Timestamp".to_owned()),
                2 => self.name(),
                3 => Some(format!("N{near}")),
                _ => Some("N1".to_owned()),
            }
        }

        fn file_name(&mut self) -> String {
            let names = [
                "a.proto",
                "b.proto",
                "c.proto",
                "google/protobuf/timestamp.proto",
            ];
            self.of(&names).to_owned()
        }

        fn field(&mut self) -> FieldDescriptorProto {
            let number = i32::from(self.below(14)) + 1;
            let kind = i32::from(self.below(19)) + self.of(&[0, 0, 0, 100]);
            let defaults = [
                None,
                None,
                None,
                Some("é\\777"),
                Some("1"),
                Some("\\x1é"),
                Some("A"),
            ];
            FieldDescriptorProto {
                name: self.name(),
                number: Some(number - self.of(&[0, 0, 0, 0, 0, 0, 0, 99])),
                label: Some(self.of(&[1, 1, 1, 2, 3, 3])),
                r#type: (kind > 0).then_some(kind),
                type_name: match kind {
                    0 | 10 | 11 | 14 => self.type_name(),
                    _ => None,
                },
                extendee: self.type_name(),
                default_value: self.of(&defaults).map(str::to_owned),
                oneof_index: self.of(&[None, None, Some(0), Some(1), Some(-1)]),
                proto3_optional: self.of(&[None, Some(true)]),
                json_name: self.of(&[None, None, Some("aB")]).map(str::to_owned),
                options: (self.below(4) == 0).then(|| FieldOptions {
                    packed: Some(true),
                    ..FieldOptions::default()
                }),
            }
        }

        fn values(&mut self) -> EnumDescriptorProto {
            EnumDescriptorProto {
                name: self.name(),
                value: self.some(3, |it| EnumValueDescriptorProto {
                    name: it.name(),
                    number: Some(it.of(&[0, 1, -1])),
                    options: None,
                }),
                ..EnumDescriptorProto::default()
            }
        }

        fn message(&mut self, depth: u8) -> DescriptorProto {
            DescriptorProto {
                name: self.name(),
                field: self.some(4, Self::field),
                extension: self.some(1, Self::field),
                nested_type: match depth {
                    0 => vec![],
                    _ => self.some(2, |it| it.message(depth - 1)),
                },
                enum_type: self.some(1, Self::values),
                oneof_decl: self.some(1, |it| OneofDescriptorProto {
                    name: it.name(),
                    options: None,
                }),
                options: (self.below(3) == 0).then(|| MessageOptions {
                    map_entry: Some(true),
                    ..MessageOptions::default()
                }),
                ..DescriptorProto::default()
            }
        }

        fn file(&mut self) -> FileDescriptorProto {
            let syntax = [Some("proto3"), Some("proto2"), None];
            FileDescriptorProto {
                name: Some(self.file_name()),
                package: self.of(&[Some("p"), None]).map(str::to_owned),
                syntax: match self.below(30) {
                    0 => Some("editions".to_owned()),
                    _ => self.of(&syntax).map(str::to_owned),
                },
                dependency: self.some(3, Self::file_name),
                public_dependency: self.some(3, |it| it.of(&[0, 1, 2, -1])),
                message_type: self.some(3, |it| it.message(2)),
                enum_type: self.some(1, Self::values),
                extension: self.some(1, Self::field),
                service: self.some(1, |it| ServiceDescriptorProto {
                    name: it.name(),
                    method: it.some(2, |it| MethodDescriptorProto {
                        name: it.name(),
                        input_type: it.type_name(),
                        output_type: it.type_name(),
                        ..MethodDescriptorProto::default()
                    }),
                    options: None,
                }),
                ..FileDescriptorProto::default()
            }
        }
    }

    fn read(set: &FileDescriptorSet) -> Result<Description, Undescribed> {
        Description::read(&BodyFile {
            content: set.encode_to_vec().into(),
            ..BodyFile::default()
        })
    }

    fn file(name: &str, syntax: &str, imports: &[&str]) -> FileDescriptorProto {
        FileDescriptorProto {
            name: Some(name.to_owned()),
            syntax: Some(syntax.to_owned()),
            dependency: imports.iter().map(|&it| it.to_owned()).collect(),
            public_dependency: (0..imports.len() as i32).collect(),
            ..FileDescriptorProto::default()
        }
    }

    fn with_message(file: FileDescriptorProto, message: DescriptorProto) -> FileDescriptorSet {
        FileDescriptorSet {
            file: vec![FileDescriptorProto {
                message_type: vec![message],
                ..file
            }],
        }
    }

    #[test]
    fn editions_are_refused_by_name() {
        let message = DescriptorProto {
            name: Some("A".to_owned()),
            ..DescriptorProto::default()
        };
        let set = with_message(file("a.proto", "editions", &[]), message.clone());
        let edition = Undescribed::Edition {
            file: "a.proto".to_owned(),
        };
        assert_eq!(read(&set).unwrap_err(), edition);
        let set = with_message(file("a.proto", "proto4", &[]), message);
        assert!(read(&set).unwrap_err().to_string().contains("proto4"));
    }

    /// Whoever follows them all without remembering where it was needs years, or never
    /// ends.
    #[test]
    fn imports_may_go_round_in_circles_and_double_with_every_step() {
        let name = |layer: u8, side: char| format!("{side}{layer}.proto");
        let mut set = FileDescriptorSet::default();
        let mut all = Vec::new();
        for layer in 0..40 {
            for side in ['a', 'b'] {
                let next = (layer + 1) % 40;
                let imports = [name(next, 'a'), name(next, 'b')];
                let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
                set.file.push(file(&name(layer, side), "proto3", &imports));
                all.push(name(layer, side));
            }
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        set.file.push(file("all.proto", "proto3", &all));
        assert!(read(&set).is_ok());
    }

    /// What a file passes on is passed on by whoever passes that on.
    #[test]
    fn types_are_found_behind_imports_that_are_passed_on() {
        let message = |name: &str, of: Option<&str>| DescriptorProto {
            name: Some(name.to_owned()),
            field: of
                .map(|of| FieldDescriptorProto {
                    name: Some("a".to_owned()),
                    number: Some(1),
                    label: Some(1),
                    type_name: Some(of.to_owned()),
                    ..FieldDescriptorProto::default()
                })
                .into_iter()
                .collect(),
            ..DescriptorProto::default()
        };
        let mut set = with_message(
            file("a.proto", "proto3", &["b.proto"]),
            message("A", Some(".D")),
        );
        set.file.push(file("b.proto", "proto3", &["c.proto"]));
        set.file.push(file("c.proto", "proto3", &["d.proto"]));
        let last = with_message(file("d.proto", "proto3", &[]), message("D", None));
        set.file.extend(last.file);
        assert!(read(&set).is_ok(), "{:?}", read(&set));
    }

    /// Uses all that can be used of a description.
    fn use_all(description: &Description) {
        let known = DescriptorPool::global();
        let own = description.pool().all_messages();
        for message in own.filter(|it| known.get_message_by_name(it.full_name()).is_none()) {
            let messages = Messages::between(message.clone(), message.clone());
            let mut written = Vec::new();
            let _ = messages.write("{}", &mut written);
            for field in message.fields() {
                for value in ["{}", "[]", "1", "\"A\"", "[{}]", "{\"1\":{}}", "null"] {
                    let json = format!("{{{:?}:{value}}}", field.json_name());
                    let _ = messages.write(&json, &mut written);
                }
            }
            let _ = messages.json(&[], 1 << 20);
            for tag in (0..=0x4f_u8).filter(|tag| tag & 7 <= 5) {
                for value in [&[0][..], &[1], &[2, 8, 0], &[2, 0x12, 0], &[0; 8]] {
                    let _ = messages.json(&[&[tag], value].concat(), 1 << 20);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Whatever is described, it is refused in words or can be used.
        #[test]
        fn no_description_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut choices = Choices(&bytes, 0);
            let set = FileDescriptorSet { file: choices.some(3, Choices::file) };
            if let Ok(description) = read(&set) {
                use_all(&description);
            }
        }
    }
}
