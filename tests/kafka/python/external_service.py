"""What kafka-python's integration tests import as test.service, which its sdist leaves out: a broker that is there."""


class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    def __init__(self, *_):
        raise NotImplementedError("these tests run against a broker that was started before")
