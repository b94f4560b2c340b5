"""The LoadBalancer for Kubernetes clusters that have no cloud: what the controller and the speaker stand on."""
