"""What a status object may say of whose it is."""

from types import SimpleNamespace

from baremetal_lb.kube.resources import NODES, SERVICES
from baremetal_lb.kube.transport import Transport
from baremetal_lb.model.ids import BAREMETAL_LB, ObjectKey
from controller.garbage import Garbage
from controller.upkeep import GarbageRemoval


async def test_what_no_object_can_be_called_is_not_there():
    nowhere = Transport(url="http://127.0.0.1:1")  # never asked
    removal = GarbageRemoval(SimpleNamespace(world=None), Garbage(grace=0), nowhere, None, BAREMETAL_LB)
    for resource, key in ((NODES, ObjectKey("", "..")), (SERVICES, ObjectKey("..", "web")), (SERVICES, ObjectKey("shop", "."))):
        assert not await removal._is_there(resource, key)
