"""Where everything is, past one machine."""

from headwater.config import Settings
from headwater.errors import SettingsError
from headwater.store.layout import Layout


class Urls:
    """Raises SettingsError unless all of it is told."""

    def __init__(self, settings: Settings) -> None:
        self.log = _told(settings.log_url, "HEADWATER_LOG_URL")
        self.store = _told(settings.store_url, "HEADWATER_STORE_URL")
        self.database = _told(settings.database_url, "HEADWATER_DATABASE_URL")
        self.quotas = _told(settings.quotas_url, "HEADWATER_QUOTAS_URL")
        self.layout = Layout(settings.store_cluster or "", settings.store_sharded)


def _told(url: str | None, name: str) -> str:
    if not url:
        raise SettingsError(f"past one machine, {name} must be set, too")
    return url
