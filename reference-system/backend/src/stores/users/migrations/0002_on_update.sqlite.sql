-- What `ON UPDATE CURRENT_TIMESTAMP` does elsewhere: a row that changed says when. One that was
-- written over with what it held did not change.
CREATE TRIGGER users_updated AFTER UPDATE ON users
WHEN NEW.updated_at IS OLD.updated_at AND (
    NEW.email, NEW.password_hash, NEW.first_name, NEW.last_name, NEW.country_code, NEW.language_code
) IS NOT (
    OLD.email, OLD.password_hash, OLD.first_name, OLD.last_name, OLD.country_code, OLD.language_code
)
BEGIN
    UPDATE users SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;

CREATE TRIGGER user_preferences_updated AFTER UPDATE ON user_preferences
WHEN NEW.updated_at IS OLD.updated_at AND NEW.preference_value IS NOT OLD.preference_value
BEGIN
    UPDATE user_preferences SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
