//! The users behind commands: a database that hangs costs its callers as little as any other
//! dependency.

use std::sync::Arc;

use http::StatusCode;
use squall_resilience::{
    Attempt, CallOptions, Classification, Classify, Command, CommandError, Deadline,
};

use crate::platform::host::Host;
use crate::platform::reply::Failure;
use crate::service::ServeError;
use crate::stores::users::UsersError;

impl Classify for UsersError {
    fn classify(&self) -> Classification {
        match self {
            Self::Invalid(_)
            | Self::EmailTaken
            | Self::NoSuchUser
            | Self::NoSuchProfile
            | Self::TooManyProfiles
            | Self::PrimaryProfile => Classification::BadRequest,
            Self::Late | Self::Failed(_) => Classification::Failure,
        }
    }
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        let status = match error {
            UsersError::Invalid(_) => StatusCode::BAD_REQUEST,
            UsersError::EmailTaken | UsersError::TooManyProfiles | UsersError::PrimaryProfile => {
                StatusCode::CONFLICT
            }
            // Whoever asks has a session of an account that is gone.
            UsersError::NoSuchUser => StatusCode::UNAUTHORIZED,
            UsersError::NoSuchProfile => StatusCode::NOT_FOUND,
            UsersError::Late | UsersError::Failed(_) => {
                return Self::unavailable(error.to_string());
            }
        };
        Self::new(status, error.to_string())
    }
}

/// The role, behind the commands `users-read` and `users-write` of this instance.
pub(super) struct Database<U> {
    users: Arc<U>,
    read: Command,
    write: Command,
}

impl<U> Database<U> {
    pub(super) fn new(host: &Host, users: Arc<U>) -> Result<Self, ServeError> {
        Ok(Self {
            users,
            read: host.command("users-read")?.0,
            write: host.command("users-write")?.0,
        })
    }

    /// Asks something.
    pub(super) async fn read<T, Fut>(
        &self,
        deadline: Deadline,
        ask: impl Fn(Arc<U>, Deadline) -> Fut,
    ) -> Result<T, Failure>
    where
        Fut: Future<Output = Result<T, UsersError>>,
    {
        self.execute(&self.read, deadline, ask).await
    }

    /// Changes something. One that was not acknowledged may be made all the same.
    pub(super) async fn write<T, Fut>(
        &self,
        deadline: Deadline,
        change: impl Fn(Arc<U>, Deadline) -> Fut,
    ) -> Result<T, Failure>
    where
        Fut: Future<Output = Result<T, UsersError>>,
    {
        self.execute(&self.write, deadline, change).await
    }

    async fn execute<T, Fut>(
        &self,
        command: &Command,
        deadline: Deadline,
        work: impl Fn(Arc<U>, Deadline) -> Fut,
    ) -> Result<T, Failure>
    where
        Fut: Future<Output = Result<T, UsersError>>,
    {
        let work = |attempt: Attempt| work(Arc::clone(&self.users), attempt.deadline);
        let done = command.execute(CallOptions::new(deadline), work).await;
        done.map_err(|error| match error {
            CommandError::BadRequest(refused) => refused.into(),
            failed => Failure::unavailable(format!("users: {failed}")),
        })
    }
}
