CATCHES = "generator"
WHY = "The generator's loss is cut from the generator: it never moves."
EDITS = [("-self.critic(fake).mean()", "-self.critic(fake.detach()).mean()")]
