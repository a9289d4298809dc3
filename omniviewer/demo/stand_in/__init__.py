"""A stand-in Omni instance: its REST API over real HTTP, on loopback, with sample data. Strict, and able to fail."""

from omniviewer.demo.stand_in.faults import Fault
from omniviewer.demo.stand_in.organization import Organization
from omniviewer.demo.stand_in.sample import DEMO_TOKENS, sample_organization
from omniviewer.demo.stand_in.server import Recorded, StandIn

__all__ = ["DEMO_TOKENS", "Fault", "Organization", "Recorded", "StandIn", "sample_organization"]
